"""Forget quality: is the unlearned model's truth ratio distributed like the retrained model's?"""

import inspect
import math
from dataclasses import dataclass

from numpy import median, ndarray
from scipy.stats import ks_2samp

from unlearning.benchmarks.tofu.formulas import OFFICIAL, log_truth_ratio
from unlearning.errors import UserError

# The test without scipy's wrapper for missing values and several axes, which takes three to seven
# times as long as the test. Evaluations have no missing values, and a report runs thousands.
_two_sample_test = inspect.unwrap(ks_2samp)
SMALLEST = 5e-324  # log10 of an underflown p-value stays finite


@dataclass(frozen=True)
class ForgetQuality:
    """Two-sample Kolmogorov-Smirnov test over n rows each. shift: median of the model's log x less
    that of the retrained model's, the size of an effect whose p-value depends on n."""

    p_value: float
    log10_p: float
    ks_statistic: float
    rows: int
    shift: float

    def metrics(self) -> dict[str, float]:
        """The numbers by the names of metrics.METRICS."""
        return {
            "forget_quality": self.p_value,
            "log10_forget_quality": self.log10_p,
            "ks_statistic": self.ks_statistic,
            "truth_ratio_shift": self.shift,
            "forget_quality_rows": self.rows,
        }


def compare(log_ratio: ndarray, retrained_log_ratio: ndarray) -> ForgetQuality:
    """p-value of scipy's ks_2samp (two-sided, default method) between two sets of log x.

    The test only sees the order of its values, so log x serves as well as x and cannot overflow.
    """
    test = _two_sample_test(log_ratio, retrained_log_ratio)
    log10_p = math.log10(max(test.pvalue, SMALLEST))
    shift = float(median(log_ratio) - median(retrained_log_ratio))
    return ForgetQuality(float(test.pvalue), log10_p, float(test.statistic), len(log_ratio), shift)


def check_same_rows(forget: dict, retrained: dict, names: tuple[str, str]) -> None:
    """UserError unless both evaluations hold the same forget questions in the same order."""
    ours, theirs = forget["question"], retrained["question"]
    if ours == theirs:
        return
    difference = f"{len(ours)} and {len(theirs)} rows"
    for row, (question, other_question) in enumerate(zip(ours, theirs, strict=False)):
        if question != other_question:
            difference += f"; the first to differ is row {row}: {question!r} and {other_question!r}"
            break
    raise UserError(
        f"forget quality compares the same questions under two models, but {names[0]} and "
        f"{names[1]} hold other rows ({difference}). Evaluate both on the same forget split"
    )


def forget_quality(
    forget: dict,
    retrained: dict,
    names: tuple[str, str] = ("the model", "the retrained model"),
    variant: str = OFFICIAL,
) -> ForgetQuality:
    """Forget quality of the forget rows of an evaluation against a retrained model's."""
    check_same_rows(forget, retrained, names)
    return compare(log_truth_ratio(forget, variant), log_truth_ratio(retrained, variant))

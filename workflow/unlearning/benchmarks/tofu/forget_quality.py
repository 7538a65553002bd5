"""Forget quality: is the unlearned model's truth ratio distributed like the retrained model's?"""

import inspect
import math

from numpy import median, ndarray
from scipy.stats import ks_2samp

from unlearning.benchmarks.tofu.formulas import OFFICIAL, log_truth_ratio
from unlearning.errors import UserError

# The test without scipy's wrapper for missing values and several axes, which takes three to seven
# times as long as the test. Evaluations have no missing values, and a report runs thousands.
_two_sample_test = inspect.unwrap(ks_2samp)
SMALLEST = 5e-324  # log10 of an underflown p-value stays finite


def compare(log_ratio: ndarray, retrained_log_ratio: ndarray) -> dict[str, float]:
    """Metrics of scipy's ks_2samp (two-sided, default method) between two sets of log x.

    The test only sees the order of its values, so log x serves as well as x and cannot overflow.
    truth_ratio_shift is the size of the effect, whose p-value depends on the number of rows.
    """
    # Exact p-values up to 10,000 rows: the published ones are exact, too (ks_2samp's default).
    test = _two_sample_test(log_ratio, retrained_log_ratio)
    return {
        "forget_quality": float(test.pvalue),
        "log10_forget_quality": math.log10(max(test.pvalue, SMALLEST)),
        "ks_statistic": float(test.statistic),
        "truth_ratio_shift": float(median(log_ratio) - median(retrained_log_ratio)),
        "forget_quality_rows": len(log_ratio),
    }


def check_same_rows(forget: dict, retrained: dict, names: tuple[str, str]) -> None:
    """UserError unless both evaluations hold the same forget questions in the same order."""
    # The test gives a p-value of other rows, too, which says nothing (issue 9 of the NPO code).
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
) -> dict[str, float]:
    """Forget quality of the forget rows of an evaluation against a retrained model's."""
    check_same_rows(forget, retrained, names)
    return compare(log_truth_ratio(forget, variant), log_truth_ratio(retrained, variant))

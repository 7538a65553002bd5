"""The metrics of a report on your own data, computed from rows of an evaluation. No torch."""

import math

import numpy

from unlearning.benchmarks.tofu import formulas
from unlearning.evaluation.membership import membership_metrics
from unlearning.evaluation.metrics import (
    PRIVLEAK,
    Metric,
    fluency,
    membership,
    memorization,
    per_set,
    relative,
)
from unlearning.evaluation.summary import Summary, set_metrics

SETS = {"forget": "Forget", "retain": "Retain", "test": "Test"}
_TOFU = "TOFU, arXiv 2401.06121 §2.2; locuslab/tofu evaluate_util.py"
_KS = "two-sample Kolmogorov-Smirnov test against the retrained models, after TOFU"


def _likeness(name: str, title: str) -> dict[str, Metric]:
    """Metrics of how near a set's answers are to the truth."""
    better = "lower" if name == "forget" else "higher"
    return {
        f"{name}_probability": Metric(f"{title} probability", better, _TOFU),
        f"{name}_rouge": Metric(f"{title} ROUGE-L", better, _TOFU),
    }


_ABSOLUTE: dict[str, Metric] = {
    "forget_quality": Metric("Forget quality", "higher", _KS, short="FQ"),
    "log10_forget_quality": Metric(
        "log10 FQ", "higher", _KS, (-math.inf, 0.0), short="log₁₀ FQ", unit="orders of magnitude"
    ),
    **per_set(_likeness, SETS),
    **per_set(memorization, SETS),
    "forget_truth_ratio": Metric("Forget truth ratio", "higher", _TOFU),
    **membership(),
    "privleak": PRIVLEAK,
    **per_set(fluency, SETS),
}
# A new dictionary: a statement that changes one would be code of every module that imports it.
METRICS = _ABSOLUTE | relative(_ABSOLUTE)
STUDIES: dict[str, dict[str, Metric]] = {}  # no claim of the papers is about your data


def summary(rows: dict[str, dict]) -> Summary:
    """The metrics that need no second evaluation, of the sets and columns in `rows`."""
    metrics = {}
    for name in SETS:
        if (columns := rows.get(name)) is None:
            continue
        metrics[f"{name}_probability"] = float(formulas.probability(columns).mean())
        # during a relearning attack no answers are generated
        if "rouge_l_recall" in columns:
            metrics[f"{name}_rouge"] = float(numpy.mean(columns["rouge_l_recall"]))
        metrics |= set_metrics(name, columns)
    # Files with false answers have a truth ratio, as TOFU's; others compare losses (tested).
    if "perturbed_loss" in rows["forget"]:
        ratio = formulas.forget_truth_ratio(formulas.log_truth_ratio(rows["forget"]))
        metrics["forget_truth_ratio"] = float(ratio.mean())
    return Summary(metrics | membership_metrics(rows), {})


def tested(forget: dict) -> list[float]:
    """The values of forget rows whose distributions forget quality compares between two models:
    log truth ratios or, without false answers, losses per token of the answers."""
    if "perturbed_loss" in forget:
        return formulas.log_truth_ratio(forget).tolist()
    return forget["answer_loss"]


def at_point(rows: dict[str, dict]) -> dict:
    """The values that a trajectory needs besides metrics: those that forget quality compares."""
    return {"tested": tested(rows["forget"])}

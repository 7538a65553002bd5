"""TOFU metrics from per-row values (the `official` variant). Plain numpy: no model, no torch.

Rows are columns of one evaluation set: answer_loss, perturbed_loss (a list for each row),
paraphrase_loss where TOFU has paraphrases, rouge_l_recall. Losses are means per labelled token.
Source: locuslab/tofu evaluate_util.py and aggregate_eval_stat.py; they produced the published
numbers.
"""

from dataclasses import dataclass

import numpy
from numpy import ndarray

SETS = ("retain", "real_authors", "world_facts", "forget")
UTILITY_SETS = ("retain", "real_authors", "world_facts")
PARTS = tuple(f"{s}_{m}" for s in UTILITY_SETS for m in ("rouge", "probability", "truth_ratio"))


@dataclass(frozen=True)
class Metric:
    """A reported number: how to read it and where it is defined."""

    title: str
    better: str  # higher, lower, or "" where neither is better
    source: str


_TOFU = "TOFU, arXiv 2401.06121 §2.2; locuslab/tofu aggregate_eval_stat.py"
_SET_TITLES = {"retain": "Retain", "real_authors": "Real authors", "world_facts": "World facts"}
_MEASURES = {"rouge": "ROUGE-L", "probability": "probability", "truth_ratio": "truth ratio"}
METRICS: dict[str, Metric] = {
    "forget_quality": Metric("Forget quality", "higher", _TOFU),
    "log10_forget_quality": Metric("log10 FQ", "higher", _TOFU),
    "ks_statistic": Metric("KS statistic", "lower", _TOFU),
    "model_utility": Metric("Model utility", "higher", _TOFU),
    **{
        f"{s}_{m}": Metric(f"{title} {measure}", "higher", _TOFU)
        for s, title in _SET_TITLES.items()
        for m, measure in _MEASURES.items()
    },
    "forget_rouge": Metric("Forget ROUGE-L", "lower", _TOFU),
    "forget_probability": Metric("Forget probability", "lower", _TOFU),
    "forget_truth_ratio": Metric("Forget truth ratio", "higher", _TOFU),
    "forget_truth_ratio_median": Metric("Median forget truth ratio", "higher", "as above"),
}


def log_truth_ratio(rows: dict) -> ndarray:
    """(rows,) log x with x = exp(mean_i loss(perturbed_i) - loss(paraphrase)).

    x is a ratio of geometric means; the TOFU paper's definition
    takes the arithmetic mean of probabilities instead. Sets without paraphrases use the answer.
    """
    kind = "paraphrase" if "paraphrase_loss" in rows else "answer"
    perturbed = numpy.array([numpy.mean(losses) for losses in rows["perturbed_loss"]])
    return perturbed - numpy.array(rows[f"{kind}_loss"])


def forget_truth_ratio(log_ratio: ndarray) -> ndarray:
    """min(x, 1/x): 1 where the model cannot tell the truth from the perturbed answers."""
    return numpy.exp(-numpy.abs(log_ratio))


def utility_truth_ratio(log_ratio: ndarray) -> ndarray:
    """max(0, 1 - 1/x): 1 where the truth is far more likely than the perturbed answers."""
    with numpy.errstate(over="ignore"):
        return numpy.maximum(0.0, 1.0 - numpy.exp(-log_ratio))


def probability(rows: dict) -> ndarray:
    """(rows,) exp(-loss) of the true answer, per token."""
    return numpy.exp(-numpy.array(rows["answer_loss"]))


def normalised_probability(rows: dict) -> ndarray:
    """(rows,) p / (p + sum_i p_i) over the perturbed answers: TOFU's multiple choice."""
    shares = []
    for true, others in zip(rows["answer_loss"], rows["perturbed_loss"], strict=True):
        with numpy.errstate(over="ignore"):
            shares.append(1.0 / (1.0 + numpy.exp(true - numpy.array(others)).sum()))
    return numpy.array(shares)


def set_metrics(name: str, rows: dict) -> dict[str, float]:
    """rouge, probability and truth ratio of one evaluation set, means over rows."""
    own = name in ("forget", "retain")
    log_ratio = log_truth_ratio(rows)
    of_set = forget_truth_ratio if name == "forget" else utility_truth_ratio
    metrics = {
        f"{name}_probability": probability(rows) if own else normalised_probability(rows),
        f"{name}_truth_ratio": of_set(log_ratio),
    }
    if "rouge_l_recall" in rows:
        metrics[f"{name}_rouge"] = numpy.asarray(rows["rouge_l_recall"], dtype=float)
    means = {key: float(values.mean()) for key, values in metrics.items()}
    if name == "forget":
        means["forget_truth_ratio_median"] = float(numpy.median(of_set(log_ratio)))
    return means


def model_utility(metrics: dict[str, float]) -> float:
    """Harmonic mean of the nine parts; 0 if any of them is not positive."""
    parts = numpy.array([metrics[part] for part in PARTS])
    if not numpy.all(parts > 0):
        return 0.0
    return float(len(parts) / numpy.sum(1.0 / parts))


def summarise(rows: dict[str, dict]) -> dict[str, float]:
    """All metrics of an evaluation that need no second model; utility if all its sets are there."""
    metrics = {}
    for name, columns in rows.items():
        metrics.update(set_metrics(name, columns))
    if all(part in metrics for part in PARTS):
        metrics["model_utility"] = model_utility(metrics)
    return metrics

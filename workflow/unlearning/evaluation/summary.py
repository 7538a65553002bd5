"""What an evaluation of questions and answers is summed up to, whatever the benchmark. No torch."""

from dataclasses import dataclass

from unlearning.evaluation.fluency import fluency_metrics

MEMORIZATION = ("extraction_strength", "exact_memorization")


@dataclass(frozen=True)
class Summary:
    """metrics: name -> value. variants: name of other formulas -> the metrics that differ then."""

    metrics: dict[str, float]
    variants: dict[str, dict[str, float]]


def memorization_metrics(name: str, columns: dict) -> dict[str, float]:
    """Means over the rows of one set, of the columns that are there."""
    metrics = {}
    for key in MEMORIZATION:
        known = [value for value in columns.get(key, []) if value is not None]
        if known:
            metrics[f"{name}_{key}"] = sum(known) / len(known)
    return metrics


def set_metrics(name: str, columns: dict) -> dict[str, float]:
    """Memorisation and fluency of one set, of the columns that are there."""
    metrics = memorization_metrics(name, columns)
    if "generation" in columns:
        metrics |= fluency_metrics(name, columns)
    return metrics

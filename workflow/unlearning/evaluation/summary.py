"""Summarise the rows of an evaluation of questions and answers by its metrics. No torch."""

from dataclasses import dataclass

from unlearning.evaluation.fluency import fluency_metrics

MEMORIZATION = ("extraction_strength", "exact_memorization")


@dataclass(frozen=True)
class Summary:
    """An evaluation's metrics.

    metrics: name -> value. variants: name of other formulas -> the metrics that differ under them.
    """

    metrics: dict[str, float]
    variants: dict[str, dict[str, float]]


def memorization_metrics(name: str, columns: dict) -> dict[str, float]:
    """Memorisation of one set: means over its rows, of the columns that the evaluation has."""
    metrics = {}
    for key in MEMORIZATION:
        values = [value for value in columns.get(key, []) if value is not None]
        if values:
            metrics[f"{name}_{key}"] = sum(values) / len(values)
    return metrics


def set_metrics(name: str, columns: dict) -> dict[str, float]:
    """Memorisation and fluency of one set, from the columns that the evaluation has."""
    metrics = memorization_metrics(name, columns)
    if "generation" in columns:
        metrics |= fluency_metrics(name, columns)
    return metrics

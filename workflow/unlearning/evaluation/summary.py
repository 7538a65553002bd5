"""All metrics of one evaluation, under the names of metrics.METRICS. No torch."""

from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.evaluation.fluency import fluency_metrics
from unlearning.evaluation.membership import membership_metrics

MEMORIZATION = ("extraction_strength", "exact_memorization")
# SimNPO's table (arXiv 2410.07163) counts forgetting as 1 - memorisation of the forget set
ONE_MINUS = ("rouge", "probability", "extraction_strength")


def summarise(rows: dict[str, dict], variant: str = tofu.OFFICIAL) -> dict[str, float]:
    """Every metric that needs no second evaluation, of the sets and columns that are there."""
    metrics = tofu.summarise(rows, variant)
    for name in tofu.SETS:
        columns = rows.get(name, {})
        for key in MEMORIZATION:
            known = [value for value in columns.get(key, []) if value is not None]
            if known:
                metrics[f"{name}_{key}"] = sum(known) / len(known)
        if "generation" in columns:
            metrics |= fluency_metrics(name, columns)
    for key in ONE_MINUS:
        if f"forget_{key}" in metrics:
            metrics[f"forget_one_minus_{key}"] = 1 - metrics[f"forget_{key}"]
    return metrics | membership_metrics(rows)

"""The numbers that are reported of capitals."""

from unlearning.evaluation.metrics import Metric
from unlearning.evaluation.summary import Summary

SETS = ("forget", "retain")
METRICS = {
    f"{name}_loss": Metric(f"{name.title()} loss", better, "mean loss per token of the answers")
    for name, better in zip(SETS, ("higher", "lower"), strict=True)
}
STUDIES: dict[str, dict[str, Metric]] = {}  # no claim is about capitals


def summary(rows: dict[str, dict]) -> Summary:
    """Mean losses of the sets."""
    losses = {name: rows[name]["answer_loss"] for name in SETS}
    return Summary({f"{name}_loss": sum(v) / len(v) for name, v in losses.items()}, {})


def at_point(rows: dict[str, dict]) -> dict:
    """Nothing on the way beside the metrics."""
    return {}

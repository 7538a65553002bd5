"""The metrics of a report on capitals."""

from statistics import fmean

from unlearning.evaluation.metrics import Metric
from unlearning.evaluation.summary import Summary

SETS = ("forget", "retain")
_SOURCE = "mean loss per token of the answers"
METRICS = {
    "forget_loss": Metric("Forget loss", "higher", _SOURCE),
    "retain_loss": Metric("Retain loss", "lower", _SOURCE),
}
STUDIES: dict[str, dict[str, Metric]] = {}  # no claim is about capitals


def summary(rows: dict[str, dict]) -> Summary:
    """Mean losses of the sets."""
    return Summary({f"{name}_loss": fmean(rows[name]["answer_loss"]) for name in SETS}, {})


def at_point(rows: dict[str, dict]) -> dict:
    """A point of a trajectory holds nothing besides the metrics."""
    return {}

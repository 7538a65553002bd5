"""Variants at the epoch of their peak forget quality, as the NPO paper takes them.

The epoch is chosen for a variant, not for each seed: the evaluated one with the highest mean log10
FQ over its seeds (the earliest of several). It is chosen by the metric that it is then judged on,
so a peak is optimistic; the last epoch is not.
"""

from dataclasses import dataclass

from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.benchmarks.tofu.reporting.trajectories import Point, state_at
from unlearning.reporting.statistics import mean_metrics

Metrics = dict[str, float]


@dataclass(frozen=True)
class Peak:
    """A variant at its peak and at its end: epoch, and metrics of each seed."""

    split: str
    label: str
    epoch: float
    at_peak: dict[int, Metrics]
    last: float
    at_last: dict[int, Metrics]


def peaks(split: SplitResults) -> list[Peak]:
    """Every variant that was evaluated on the way; the others have no epochs to choose from."""
    runs: dict[str, dict[int, list[Point]]] = {}
    for point in split.courses:
        runs.setdefault(point.label, {}).setdefault(point.cell.seed, []).append(point)
    found = [_peak(split.split, label, by_seed) for label, by_seed in runs.items()]
    return [peak for peak in found if peak is not None]


def _peak(split: str, label: str, runs: dict[int, list[Point]]) -> Peak | None:
    """None unless some run has a point between its start and its end."""
    if all(len(run) < 3 for run in runs.values()):
        return None
    last = max(run[-1].epoch for run in runs.values())
    # the epochs of runs that went to the end: the odd ones of collapses belong to one seed alone
    whole = [run for run in runs.values() if run[-1].epoch == last]
    epochs = sorted({point.epoch for run in whole for point in run if point.epoch > 0})
    states = {epoch: _states(runs, epoch) for epoch in epochs}
    best = max(epochs, key=lambda epoch: _quality(states[epoch]))
    return Peak(split, label, best, states[best], last, states[last])


def _states(runs: dict[int, list[Point]], epoch: float) -> dict[int, Metrics]:
    """Metrics of each seed at an epoch; a run that had ended by then keeps its last state."""
    found = {seed: state_at(run, epoch) for seed, run in runs.items()}
    return {seed: state.metrics for seed, state in found.items() if state is not None}


def _quality(states: dict[int, Metrics]) -> float:
    return mean_metrics([*states.values()])["log10_forget_quality"]

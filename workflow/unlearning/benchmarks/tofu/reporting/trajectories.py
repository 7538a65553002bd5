"""Runs over time: metrics by epoch, relearning attacks, losses by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.tofu.reporting.quality import References
from unlearning.config.layout import UnlearnRun
from unlearning.reporting.labels import model_label


@dataclass(frozen=True)
class Point:
    """Metrics of a run after some epochs. attack: the attacker's rows, "" while unlearning."""

    cell: UnlearnRun
    attack: str
    epoch: float
    step: int
    metrics: dict[str, float]

    @property
    def label(self) -> str:
        """The variant's name on the page."""
        return model_label(self.cell.method, dict(self.cell.hyper))


@dataclass(frozen=True)
class LossCurve:
    """Loss of each step of an unlearning run; None where it was not finite."""

    cell: UnlearnRun
    values: list[float | None]

    @classmethod
    def of(cls, cell: UnlearnRun, record: dict) -> "LossCurve":
        """The losses of a trajectory file."""
        return cls(cell, record["losses"])

    @property
    def label(self) -> str:
        """The variant's name on the page."""
        return model_label(self.cell.method, dict(self.cell.hyper))


def cell_points(
    cell: UnlearnRun,
    record: dict,
    ends: tuple[dict[str, float], dict[str, float] | None],
    references: References,
    path: Path,
) -> list[Point]:
    """The course of an unlearning run. ends: metrics of the target and of the unlearned model.

    Epoch 0 is the target, and the last point is the run's own evaluation, at the epoch where it
    ended or collapsed.
    """
    start, final = ends
    last_step, last_epoch = end_of(record)
    points = [Point(cell, "", 0, 0, start)]
    for point in record["points"]:
        if 0 < point["step"] < last_step or final is None:
            points.append(_judged(cell, "", point, references, path))
    if final is not None:
        points.append(Point(cell, "", last_epoch, last_step, final))
    return points


def attack_points(
    cell: UnlearnRun, attack: str, record: dict, references: References, path: Path
) -> list[Point]:
    """The course of a relearning attack: epoch 0 is the unlearned model."""
    return [_judged(cell, attack, point, references, path) for point in record["points"]]


def state_at(run: list[Point], epoch: float) -> Point | None:
    """The run at an epoch: its point, or its last one if it had ended by then."""
    at = next((point for point in run if point.epoch == epoch), None)
    return run[-1] if at is None and run[-1].epoch < epoch else at


def end_of(record: dict) -> tuple[int, float]:
    """Steps done and epochs passed when the run ended; a collapse ends it before its step."""
    plan, collapsed = record["plan"], record["collapsed"]
    if collapsed is None:
        return plan["steps"], plan["epochs"]
    return collapsed["step"], collapsed["step"] * plan["batch_size"] / plan["rows"]


def answer_losses(
    record: dict, start: list[float], end: list[float]
) -> Iterator[tuple[float, int, list[float]]]:
    """(epoch, step, loss per token of each forget row) along a run. start, end: those of the
    target's evaluation and of the unlearned model's."""
    last_step, last_epoch = end_of(record)
    yield 0, 0, start
    for point in record["points"]:
        if 0 < point["step"] < last_step and "answer_loss" in point:
            yield point["epoch"], point["step"], point["answer_loss"]
    yield last_epoch, last_step, end


def _judged(
    cell: UnlearnRun, attack: str, point: dict, references: References, path: Path
) -> Point:
    name = f"epoch {point['epoch']} of {path}"
    metrics = references.judge_point(point, name)
    return Point(cell, attack, point["epoch"], point["step"], metrics)

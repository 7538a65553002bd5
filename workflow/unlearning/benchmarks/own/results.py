"""What the report on your own data reads: evaluations and trajectories, no model."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy

from unlearning.benchmarks.own.metrics import tested
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun, seed_of
from unlearning.errors import UserError
from unlearning.evaluation.membership import against_retrained
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.files import read_json
from unlearning.reporting.evaluated import EvaluatedModel
from unlearning.reporting.labels import RETRAIN, TARGET, model_label
from unlearning.reporting.statistics import mean_metrics

SPLIT = "forget"


@dataclass(frozen=True)
class Point:
    """Metrics of a run at an epoch. attack: of a relearning attack, else ""."""

    label: str
    method: str
    seed: int
    attack: str
    epoch: float
    metrics: dict[str, float]


@dataclass
class OwnResults:
    """Everything read. answers: label -> the answers of its first seed to the forget questions."""

    experiment: Experiment
    rows: dict[str, int]
    models: list[EvaluatedModel]
    questions: list[tuple[str, str]]  # of the forget set, with their true answers
    answers: dict[str, list[str]]
    points: list[Point] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)

    @property
    def target(self) -> EvaluatedModel:
        """The model before unlearning."""
        return self.models[0]


def read_own(experiment: Experiment) -> OwnResults:
    """Read and judge everything; UserError if the target's evaluation is missing."""
    folder = experiment.layout.evaluation(SPLIT, experiment.target_run)
    if not (folder / "rows.json").is_file():
        raise UserError(f"no evaluation in {folder}: the report needs the target. Run it first")
    forget = read_rows(folder)["forget"]
    questions = list(zip(forget["question"], forget["answer"], strict=True))
    sizes = read_json(folder / "summary.json")["rows"]
    results = OwnResults(experiment, sizes, [], questions, {})
    reader = _Reader(experiment, results)
    reader.model(TARGET, {}, 0, experiment.target_run)
    for run in experiment.retrain_runs():
        reader.model(RETRAIN, {}, seed_of(run), run)
    for cell in experiment.cells():
        reader.cell(cell)
    for cell, attack in experiment.attacks():
        reader.attack(cell, attack)
    return results


class _Reader:
    """Adds models and points to the results; retrained models judge all others."""

    def __init__(self, experiment: Experiment, results: OwnResults):
        self.experiment, self.layout, self.results = experiment, experiment.layout, results
        self.attacks = experiment.config["evaluation"]["membership"]
        self.retrained = {}
        for run in experiment.retrain_runs():
            folder = self.layout.evaluation(SPLIT, run)
            if (folder / "rows.json").is_file():
                self.retrained[run] = read_rows(folder)
        self.tested = [tested(rows["forget"]) for rows in self.retrained.values()]

    def _there(self, *paths: Path) -> bool:
        missing = [path for path in paths if not path.is_file()]
        self.results.missing += missing
        return not missing

    def model(
        self, method: str, hyper: dict, seed: int, run: str, variant="", diverged=None, epoch=None
    ) -> None:
        """Add an evaluated model, if its evaluation is there."""
        folder = self.layout.evaluation(SPLIT, run)
        if not self._there(folder / "rows.json", folder / "summary.json"):
            return
        rows, label = read_rows(folder), model_label(method, hyper)
        metrics = read_metrics(folder) | self._against_retrained(rows, run)
        name = (SPLIT, method, variant, label, seed, run)
        self.results.models.append(EvaluatedModel(*name, metrics, epoch, diverged))
        self.results.answers.setdefault(label, rows["forget"]["generation"])

    def _against_retrained(self, rows: dict[str, dict], run: str) -> dict[str, float]:
        """Forget quality and PrivLeak: means over the retrained models but the run itself."""
        found = []
        for other, theirs in self.retrained.items():
            if other != run:
                values = (tested(side["forget"]) for side in (rows, theirs))
                quality = {"forget_quality": self._quality(*values)}
                found.append(quality | against_retrained(rows, theirs, self.attacks))
        return mean_metrics(found)

    def cell(self, cell: UnlearnRun) -> None:
        """Add an unlearned model and its course."""
        path = self.layout.trajectory(cell.split, cell.run)
        if not self._there(path):
            return
        record, hyper = read_json(path), dict(cell.hyper)
        epochs = record["plan"]["epochs"]
        before = len(self.results.models)
        rest = (cell.variant, record["collapsed"], epochs)
        self.model(cell.method, hyper, cell.seed, cell.run, *rest)
        if len(self.results.models) == before or not record["points"]:
            return
        model = self.results.models[-1]
        course = [(0, self.results.target.metrics)]
        course += [(point["epoch"], self._on_the_way(point)) for point in record["points"]]
        for epoch, metrics in [*course, (epochs, model.metrics)]:
            point = Point(model.label, cell.method, cell.seed, "", epoch, metrics)
            self.results.points.append(point)

    def attack(self, cell: UnlearnRun, attack: str) -> None:
        """Add the course of a relearning attack."""
        path = self.layout.trajectory(cell.split, cell.attacked_by(attack))
        if not self._there(path):
            return
        label = model_label(cell.method, dict(cell.hyper))
        for point in read_json(path)["points"]:
            place = (label, cell.method, cell.seed, attack, point["epoch"])
            self.results.points.append(Point(*place, self._on_the_way(point)))

    def _on_the_way(self, point: dict) -> dict[str, float]:
        """A point's metrics, with forget quality where there are retrained models."""
        qualities = [{"forget_quality": self._quality(point["tested"], t)} for t in self.tested]
        return point["metrics"] | mean_metrics(qualities)

    def _quality(self, values: list[float], retrained: list[float]) -> float:
        return compare(numpy.array(values), numpy.array(retrained)).p_value

"""Reads an experiment on a language model into one frame: evaluations and trajectories, no model.

What two models are compared by differs between benchmarks: each has a Comparison of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas

from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun, seed_of
from unlearning.errors import UserError
from unlearning.evaluation.metrics import Metric, task_metric
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.files import read_json
from unlearning.methods import references
from unlearning.reporting.frame import AGAINST, COURSE, FINAL, RELEARN, finals, relearned, tidy
from unlearning.reporting.labels import RETRAIN, TARGET, model_label


@dataclass(frozen=True)
class Variant:
    """Models that differ in their seed alone. stated: hyper-parameters as the config has them.
    complete: with the defaults of the method and of the recipe. note: what stands beside its label.
    """

    method: str
    variant: str
    label: str
    stated: dict[str, Any]
    complete: dict[str, Any]
    note: str = ""


@dataclass
class Results:
    """What the report is made of.

    metrics: declaration of every metric of the frame. variants: split -> label -> unlearned
    variant. places: study that claims name -> the splits in which they are judged. sizes: split ->
    evaluation set -> rows. documents: harness task -> questions. details: what a benchmark's
    sections need besides.
    """

    experiment: Any
    frame: pandas.DataFrame
    metrics: dict[str, Metric]
    variants: dict[str, dict[str, Variant]]
    places: dict[str | None, list[str]]
    missing: list[Path] = field(default_factory=list)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)  # of lm-evaluation-harness
    details: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _by_metric(self) -> dict[tuple[str, str], pandas.DataFrame]:
        return dict(iter(self.frame.groupby(["split", "metric"], sort=False)))

    def rows(self, split: str, *metrics: str) -> pandas.DataFrame:
        """The frame's rows of a split and some metrics, found without a look at all others."""
        wanted = [(split, metric) for metric in dict.fromkeys(metrics)]
        return pandas.concat(
            [self.frame.iloc[:0], *(self._by_metric[k] for k in wanted if k in self._by_metric)]
        )

    @property
    def splits(self) -> list[str]:
        """In the order of the frame."""
        return list(self.frame["split"].unique())

    @property
    def models(self) -> pandas.DataFrame:
        """One row for each finished model."""
        return finals(self.frame).drop_duplicates(["split", "draw", "run", "label"])

    @property
    def tasks(self) -> list[str]:
        """Metrics that are accuracies on harness tasks."""
        return [accuracy_of(task) for task in self.documents]


@dataclass(frozen=True)
class Evaluation:
    """A model's evaluation. rows: set -> columns; empty where harness tasks are all."""

    run: str
    rows: dict[str, dict]
    metrics: dict[str, float]


Compared = dict[str | tuple[str, str], float]


class Comparison:
    """What a benchmark computes from the evaluations of two models, for each forget split.

    This one compares nothing. retrained: run -> evaluation, the main reference first. In what it
    returns a metric is a mean over the retrained models; (metric, run) is its value beside one of
    several alone.
    """

    def __init__(
        self,
        experiment: Experiment,
        split: str,
        target: Evaluation,
        retrained: dict[str, Evaluation],
        details: dict[str, Any],
    ):
        self.experiment, self.split, self.target = experiment, split, target
        self.others, self.details = retrained, details

    def model(self, model: Evaluation) -> Compared:
        """Of the target or an unlearned model."""
        return {}

    def retrained(self, model: Evaluation) -> dict[str, float]:
        """Of a retrained model; what it is compared with is the benchmark's choice."""
        return {}

    def point(self, point: dict, name: str) -> Compared:
        """All metrics of a point of a trajectory; name: for messages."""
        return point["metrics"]

    def unlearned(self, cell: UnlearnRun, record: dict, model: Evaluation) -> dict[str, float]:
        """What the trajectory of an unlearned model tells besides."""
        return {}

    def collapsed(self, metrics: dict[str, float]) -> bool:
        """Whether a model is of no use for anything, though no number became infinite."""
        return False


class Reader:
    """Reads evaluations, trajectories and accuracies of all runs of one draw of an experiment."""

    retrained_needed = True  # whether a report without any retrained model makes no sense

    def __init__(self, experiment: Experiment, comparison: type[Comparison] = Comparison):
        self.experiment, self.layout, self.comparison = experiment, experiment.layout, comparison
        self.rows: list[tuple] = []
        self.missing: list[Path] = []
        self.sizes: dict[str, dict[str, int]] = {}
        self.details: dict[str, Any] = {}
        self.targets: dict[str, Compared] = {}  # split -> metrics of its target
        self.harness: dict[Path, dict] = {}

    def read(self, metrics: dict[str, Metric], study: str | None = None) -> Results:
        """Everything of all draws; UserError if the target or the main reference of one is missing.

        Models are compared with those of their own draw alone. Sizes and documents are those of the
        first draw: the draws' tables differ in content.
        """
        readers = []
        for experiment in self.experiment.draws:
            reader = type(self)(experiment, self.comparison)
            reader.details = self.details
            reader.read_draw()
            readers.append(reader)
        frame = tidy(row for reader in readers for row in reader.rows)
        frame = pandas.concat([frame, relearned(frame)], ignore_index=True)
        order = {split: place for place, split in enumerate(self.experiment.splits)}
        frame = frame.sort_values("split", key=lambda names: names.map(order), kind="stable")
        first = readers[0]
        records = [record for reader in readers for record in reader.harness.values()]
        return Results(
            self.experiment,
            frame.reset_index(drop=True),
            metrics | first.task_metrics(),
            self._variants(),
            {study: self.experiment.own_splits},
            [path for reader in readers for path in reader.missing],
            first.sizes,
            first.documents(),
            sorted({record["lm_eval"] for record in records}),
            self.details,
        )

    def read_draw(self) -> None:
        """Read the runs of the draw; UserError as of read()."""
        splits = self.experiment.own_splits
        compare = {split: self._references(split) for split in splits}
        for cell in self.experiment.cells():
            self._cell(cell, compare.get(cell.split, compare[splits[0]]))
        for cell, attack in self.experiment.attacks():
            self._attack(cell, attack, compare[cell.split])
        self.check_questions()

    # --- what a benchmark may take from elsewhere ---

    def files(self, split: str, run: str) -> list[Path]:
        """The files of an evaluation."""
        folder = self.layout.evaluation(split, run)
        return [folder / "rows.json", folder / "summary.json"]

    def evaluation(self, split: str, run: str) -> Evaluation:
        """The evaluation of a model whose files are there."""
        folder = self.layout.evaluation(split, run)
        formulas = self.experiment.config["evaluation"].get("variant", "official")
        return Evaluation(run, read_rows(folder), read_metrics(folder, formulas))

    # --- models ---

    def _references(self, split: str) -> Comparison:
        """Reads target and retrained models of a split."""
        runs = self.experiment.retrain_runs()
        needed = [self.experiment.target_run, *(runs[:1] if self.retrained_needed else [])]
        for run in needed:
            absent = [path for path in self.files(split, run) if not path.is_file()]
            if absent:
                which = (
                    "the target and the first retrained model" if len(needed) > 1 else "the target"
                )
                raise UserError(
                    f"no evaluation in {absent[0].parent}: the report needs {which}. Run the "
                    "workflow up to there first"
                )
        target = self.evaluation(split, self.experiment.target_run)
        retrained = {
            run: self.evaluation(split, run) for run in runs if self._there(*self.files(split, run))
        }
        self.sizes[split] = {
            name: len(columns["question"]) for name, columns in target.rows.items()
        }
        compare = self.comparison(self.experiment, split, target, retrained, self.details)
        self.targets[split] = target.metrics | compare.model(target)
        self._model(split, TARGET, {}, target, self.targets[split], compare)
        for model in retrained.values():
            self._model(
                split, RETRAIN, {}, model, model.metrics | compare.retrained(model), compare
            )
        return compare

    def _model(self, split, method, hyper, model, metrics, compare, **run) -> None:
        label = model_label(method, hyper)
        draw = self.experiment.draw
        key = (split, method, run.get("variant", ""), label, seed_of(model.run), draw, model.run)
        collapsed = run.get("collapsed") is not None or compare.collapsed(metrics)
        metrics = metrics | self._accuracies(split, model.run)
        self._add(key, FINAL, "", run.get("epoch"), run.get("step"), collapsed, metrics)

    def _cell(self, cell: UnlearnRun, compare: Comparison) -> None:
        """Adds a run's evaluation and course, as far as they are there."""
        path = self.layout.trajectory(cell.split, cell.run)
        record = read_json(path) if self._there(path) else None
        model = None
        if self._there(*self.files(cell.split, cell.run)):
            model = self.evaluation(cell.split, cell.run)
        if record is None:
            return
        step, epoch = end_of(record)
        hyper, collapsed = dict(cell.hyper), record["collapsed"]
        metrics = None
        if model is not None:
            metrics = model.metrics | compare.model(model)
            metrics |= compare.unlearned(cell, record, model)
            run = {"variant": cell.variant, "collapsed": collapsed, "epoch": epoch, "step": step}
            self._model(cell.split, cell.method, hyper, model, metrics, compare, **run)
        start = self.targets.get(cell.split, next(iter(self.targets.values())))
        key = self._key(cell)
        self._add(key, COURSE, "", 0, 0, False, start)
        for point in record["points"]:
            if 0 < point["step"] < step or (metrics is None and point["step"] > 0):
                name = f"epoch {point['epoch']} of {path}"
                values = compare.point(point, name)
                self._add(key, COURSE, "", point["epoch"], point["step"], False, values)
        if metrics is not None:
            self._add(key, COURSE, "", epoch, step, collapsed is not None, metrics)

    def _attack(self, cell: UnlearnRun, attack: str, compare: Comparison) -> None:
        path = self.layout.trajectory(cell.split, cell.attacked_by(attack))
        if not self._there(path):
            return
        for point in read_json(path)["points"]:
            values = compare.point(point, f"epoch {point['epoch']} of {path}")
            place = (point["epoch"], point["step"], False)
            self._add(self._key(cell), RELEARN, attack, *place, values)

    def _key(self, cell: UnlearnRun) -> tuple:
        label = model_label(cell.method, dict(cell.hyper))
        return (cell.split, cell.method, cell.variant, label, cell.seed, cell.draw, cell.run)

    def _add(self, key, phase, attack, epoch, step, collapsed, metrics: Compared) -> None:
        moment = (epoch, step, collapsed)
        for metric, value in metrics.items():
            if isinstance(metric, str):
                self.rows.append((*key, phase, attack, "", *moment, metric, value))
            elif phase == COURSE:  # which ends with the finished model
                name, run = metric
                self.rows.append((*key, AGAINST, attack, run, *moment, name, value))

    def _there(self, *paths: Path) -> bool:
        """Whether files are there; remembered as missing otherwise."""
        absent = [path for path in paths if not path.is_file()]
        self.missing += absent
        return not absent

    def _variants(self) -> dict[str, dict[str, Variant]]:
        recipe = self.experiment.config["unlearn"]
        defaults = {"epochs": recipe["epochs"], "lr": recipe["lr"], "reference": references.TARGET}
        found: dict[str, dict[str, Variant]] = {}
        for cell in self.experiment.cells():
            hyper = dict(cell.hyper)
            method = self.experiment.method(cell.method, hyper).hyper
            label = model_label(cell.method, hyper)
            complete = {**defaults, **method, **hyper}
            variant = Variant(cell.method, cell.variant, label, hyper, complete)
            found.setdefault(cell.split, {})[label] = variant
        return found

    # --- harness tasks ---

    def _accuracies(self, split: str, run: str) -> dict[str, float]:
        """A model's accuracies on harness tasks, where the experiment asks for any."""
        if not self.experiment.tasks["tasks"] or self.experiment.log_of(split, run) is not None:
            return {}
        path = self.layout.harness(split, run)
        if path not in self.harness:
            if not self._there(path):
                return {}
            self.harness[path] = read_json(path)
        tasks = self.harness[path]["tasks"]
        return {accuracy_of(task): scores["accuracy"] for task, scores in tasks.items()}

    def task_metrics(self) -> dict[str, Metric]:
        """The accuracies of the draw's models as metrics."""
        return {
            accuracy_of(task): task_metric(task, scores.get("better", ""))
            for record in self.harness.values()
            for task, scores in record["tasks"].items()
        }

    def documents(self) -> dict[str, int]:
        """Task -> number of its questions. A tag stands for several tasks: records know them."""
        documents: dict[str, int] = {}
        for record in self.harness.values():
            documents |= {task: scores["documents"] for task, scores in record["tasks"].items()}
        return documents

    def check_questions(self) -> None:
        """UserError if models were asked different questions, as after a change of a hub's
        dataset."""
        asked: dict[str, dict[str, Path]] = {}
        for path, record in self.harness.items():
            for task, scores in record["tasks"].items():
                asked.setdefault(task, {}).setdefault(scores["asked"], path)
        for task, paths in asked.items():
            if len(paths) > 1:
                one, other, *_ = paths.values()
                raise UserError(
                    f"harness task '{task}' asked other questions in {one} than in {other}: delete "
                    "the older files and run again"
                )


def accuracy_of(task: str) -> str:
    """The metric that is the accuracy on a harness task."""
    return f"accuracy: {task}"


def end_of(record: dict) -> tuple[int, float]:
    """Steps done and epochs passed when a run ended; a collapse ends it before its step."""
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

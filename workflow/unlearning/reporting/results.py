"""Reads an experiment on a language model into one frame: evaluations and trajectories, no model.

What two models are compared by differs between benchmarks: each has a Comparison of its own.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas

from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun, seed_of
from unlearning.config.runs import OVERRIDES
from unlearning.errors import UserError
from unlearning.evaluation.metrics import Metric, task_metric
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.files import read_json
from unlearning.methods import references
from unlearning.reporting.frame import AGAINST, COURSE, FINAL, RELEARN, finals, relearned, tidy
from unlearning.reporting.labels import RETRAIN, TARGET, model_label


@dataclass(frozen=True)
class Variant:
    """Models that differ in their seed alone. hyper: hyper-parameters as the config has them.
    complete: with the defaults of the method and of the recipe. note: shown beside the label.
    """

    method: str
    variant: str
    label: str
    hyper: dict[str, Any]
    complete: dict[str, Any]
    note: str = ""


@dataclass
class Results:
    """All numbers of an experiment, from which the report is made.

    metrics: declaration of every metric of the frame. variants: split -> label -> unlearned
    variant. judged_splits: study that claims name -> the splits in which they are judged. sizes:
    split -> evaluation set -> rows. documents: harness task -> questions. details: further data of
    a benchmark's own sections.
    """

    experiment: Any
    frame: pandas.DataFrame
    metrics: dict[str, Metric]
    variants: dict[str, dict[str, Variant]]
    judged_splits: dict[str | None, list[str]]
    missing: list[Path] = field(default_factory=list)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)  # of lm-evaluation-harness
    details: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _by_metric(self) -> dict[tuple[str, str], pandas.DataFrame]:
        return dict(iter(self.frame.groupby(["split", "metric"], sort=False)))

    # each claim asks for rows: in a report of thousands of runs no filter of the whole frame
    def rows(self, split: str, *metrics: str) -> pandas.DataFrame:
        """The frame's rows of a split and some metrics."""
        parts = [self.frame.iloc[:0]]  # so that there are columns without any row
        for metric in dict.fromkeys(metrics):
            if (split, metric) in self._by_metric:
                parts.append(self._by_metric[split, metric])
        return pandas.concat(parts)

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
    """A model's evaluation. rows: set -> columns; empty where only harness tasks are run."""

    run: str
    rows: dict[str, dict]
    metrics: dict[str, float]


Compared = dict[str | tuple[str, str], float]


class Comparison:
    """What a benchmark computes from the evaluations of two models, for each forget split.

    This one compares nothing. retrained: run -> evaluation, the main baseline first. Methods return
    a metric as its mean over the retrained models, and under (metric, run) its value beside a
    single one of several.
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
        self.baselines, self.details = retrained, details

    def model(self, model: Evaluation) -> Compared:
        """Metrics of the target or of an unlearned model."""
        return {}

    def retrained(self, model: Evaluation) -> Compared:
        """Metrics of a retrained model; the benchmark chooses what it is compared with."""
        return {}

    def point(self, point: dict, name: str) -> Compared:
        """All metrics of a point of a trajectory; name: for messages."""
        return point["metrics"]

    def unlearned(self, cell: UnlearnRun, record: dict, model: Evaluation) -> dict[str, float]:
        """Further metrics of an unlearned model, from its trajectory."""
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
        """The results of all draws; UserError if a draw has no target or no first retrained model.

        Sizes and documents are those of the first draw: the draws' tables differ in content.
        """
        # each draw by a reader of its own, so that its models are compared with those of that draw
        # alone; all readers add to the same details
        readers = []
        rows: list[tuple] = []
        missing: list[Path] = []
        versions: set[str] = set()
        for experiment in self.experiment.draws:
            reader = type(self)(experiment, self.comparison)
            reader.details = self.details
            reader.read_draw()
            readers.append(reader)
            rows += reader.rows
            missing += reader.missing
            for record in reader.harness.values():
                versions.add(record["lm_eval"])
        frame = tidy(rows)
        frame = pandas.concat([frame, relearned(frame)], ignore_index=True)
        # splits in the config's order, each with its draws one after the other
        order = {split: index for index, split in enumerate(self.experiment.splits)}
        frame = frame.sort_values("split", key=lambda names: names.map(order), kind="stable")
        first_draw = readers[0]
        return Results(
            self.experiment,
            frame.reset_index(drop=True),
            metrics | first_draw.task_metrics(),
            self._variants(),
            {study: self.experiment.own_splits},
            missing,
            first_draw.sizes,
            first_draw.documents(),
            sorted(versions),
            self.details,
        )

    def read_draw(self) -> None:
        """Read all runs of the draw; UserError as of read()."""
        splits = self.experiment.own_splits
        compare = {split: self._references(split) for split in splits}
        for cell in self.experiment.cells():
            # MUSE's folds have no target and retrained model of their own, but those of `forget`
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
        # a summary holds all variants, so that another one remakes the report alone
        formulas = self.experiment.config["evaluation"].get("variant", "official")
        return Evaluation(run, read_rows(folder), read_metrics(folder, formulas))

    # --- models ---

    def _references(self, split: str) -> Comparison:
        """Reads target and retrained models of a split; a comparison with them."""
        runs = self.experiment.retrain_runs()
        needed = [self.experiment.target_run, *(runs[:1] if self.retrained_needed else [])]
        which = "the target and the first retrained model" if len(needed) > 1 else "the target"
        for run in needed:
            absent = [path for path in self.files(split, run) if not path.is_file()]
            if absent:
                raise UserError(
                    f"no evaluation in {absent[0].parent}: the report needs {which}. Run the "
                    "workflow up to there first"
                )
        target = self.evaluation(split, self.experiment.target_run)
        retrained = {}
        for run in runs:
            # further retrained models only narrow the spread, so a report without them is of use
            if self._exist(*self.files(split, run)):
                retrained[run] = self.evaluation(split, run)
        self.sizes[split] = {name: len(rows["question"]) for name, rows in target.rows.items()}
        self.details.setdefault("cut", {}).setdefault(split, cut_rows(target.rows))
        compare = self.comparison(self.experiment, split, target, retrained, self.details)
        # also the start of the course of every run on this split
        self.targets[split] = Compared(target.metrics.items()) | compare.model(target)
        self._final(self._key(split, TARGET, target.run), self.targets[split], compare)
        for model in retrained.values():
            metrics = Compared(model.metrics.items()) | compare.retrained(model)
            self._final(self._key(split, RETRAIN, model.run), metrics, compare)
        return compare

    def _final(self, key, metrics, compare, epoch=None, step=None, collapsed=False) -> None:
        # a run can end in numbers that are all finite and yet know nothing any more
        collapsed = collapsed or compare.collapsed(metrics)
        split, *_, run = key
        metrics = metrics | self._accuracies(split, run)
        self._add(key, FINAL, "", epoch, step, collapsed, metrics)

    def _cell(self, cell: UnlearnRun, compare: Comparison) -> None:
        """Adds a run's evaluation and trajectory, as far as their files exist."""
        path = self.layout.trajectory(cell.split, cell.run)
        # both are looked for before either is missed, so that the page lists all that is missing
        has_record, has_model = self._exist(path), self._exist(*self.files(cell.split, cell.run))
        if not has_record:
            return
        record = read_json(path)
        step, epoch = end_of(record)
        key, collapsed = self._key_of(cell), record["collapsed"] is not None
        metrics = None
        if has_model:
            model = self.evaluation(cell.split, cell.run)
            metrics = Compared(model.metrics.items()) | compare.model(model)
            metrics.update(compare.unlearned(cell, record, model).items())
            self._final(key, metrics, compare, epoch, step, collapsed)
        # the course starts from the target; a split without one of its own has the first split's
        start = self.targets.get(cell.split, next(iter(self.targets.values())))
        self._add(key, COURSE, "", 0, 0, False, start)
        # a point at the end is the finished model's, unless its evaluation is missing
        for point in record["points"]:
            if 0 < point["step"] < step or (metrics is None and point["step"] > 0):
                name = f"epoch {point['epoch']} of {path}"
                values = compare.point(point, name)
                self._add(key, COURSE, "", point["epoch"], point["step"], False, values)
        if metrics is not None:
            self._add(key, COURSE, "", epoch, step, collapsed, metrics)

    def _attack(self, cell: UnlearnRun, attack: str, compare: Comparison) -> None:
        path = self.layout.trajectory(cell.split, cell.attacked_by(attack))
        if not self._exist(path):
            return
        key = self._key_of(cell)
        for point in read_json(path)["points"]:
            values = compare.point(point, f"epoch {point['epoch']} of {path}")
            self._add(key, RELEARN, attack, point["epoch"], point["step"], False, values)

    def _key_of(self, cell: UnlearnRun) -> tuple:
        return self._key(cell.split, cell.method, cell.run, cell.variant, dict(cell.hyper))

    def _key(self, split: str, method: str, run: str, variant: str = "", hyper=None) -> tuple:
        """The frame's columns that say which model a row is of."""
        label = model_label(method, hyper or {})
        return (split, method, variant, label, seed_of(run), self.experiment.draw, run)

    def _add(self, key, phase, attack, epoch, step, collapsed, metrics: Compared) -> None:
        moment = (epoch, step, collapsed)
        for metric, value in metrics.items():
            if isinstance(metric, str):
                self.rows.append((*key, phase, attack, "", *moment, metric, value))
            # the finished model is the end of its course: phase `final` would say these rows twice
            elif phase == COURSE:
                name, run = metric
                self.rows.append((*key, AGAINST, attack, run, *moment, name, value))

    def _exist(self, *paths: Path) -> bool:
        """Whether all files exist; those that do not are listed as missing."""
        absent = [path for path in paths if not path.is_file()]
        self.missing += absent
        return not absent

    def _variants(self) -> dict[str, dict[str, Variant]]:
        recipe = self.experiment.config["unlearn"]
        # claims and published numbers name values that a config may leave to these defaults
        defaults = {key: recipe[key] for key in OVERRIDES} | {"reference": references.TARGET}
        variants: dict[str, dict[str, Variant]] = {}
        for cell in self.experiment.cells():
            hyper = dict(cell.hyper)
            method = self.experiment.method(cell.method, hyper).hyper
            label = model_label(cell.method, hyper)
            complete = {**defaults, **method, **hyper}
            variant = Variant(cell.method, cell.variant, label, hyper, complete)
            variants.setdefault(cell.split, {})[label] = variant
        return variants

    # --- harness tasks ---

    def _accuracies(self, split: str, run: str) -> dict[str, float]:
        """A model's accuracies on harness tasks, where the experiment asks for any."""
        if not self.experiment.tasks["tasks"] or self.experiment.log_of(split, run) is not None:
            return {}
        path = self.layout.harness(split, run)
        # splits share the target's file
        if path not in self.harness:
            if not self._exist(path):
                return {}
            self.harness[path] = read_json(path)
        tasks = self.harness[path]["tasks"]
        return {accuracy_of(task): scores["accuracy"] for task, scores in tasks.items()}

    def task_metrics(self) -> dict[str, Metric]:
        metrics = {}
        for record in self.harness.values():
            for task, scores in record["tasks"].items():
                metrics[accuracy_of(task)] = task_metric(task, scores.get("better", ""))
        return metrics

    def documents(self) -> dict[str, int]:
        """Task -> number of its questions; of a tag the tasks that it stands for."""
        documents: dict[str, int] = {}
        for record in self.harness.values():
            documents |= {task: scores["documents"] for task, scores in record["tasks"].items()}
        return documents

    def check_questions(self) -> None:
        """UserError if models were asked different questions, as after a change of a hub's
        dataset."""
        digests: dict[str, dict[str, Path]] = {}  # task -> digest of its questions -> a record
        for path, record in self.harness.items():
            for task, scores in record["tasks"].items():
                digests.setdefault(task, {}).setdefault(scores["asked"], path)
        for task, records in digests.items():
            if len(records) > 1:
                paths = list(records.values())
                raise UserError(
                    f"harness task '{task}' asked other questions in {paths[0]} than in "
                    f"{paths[1]}: delete the older files and run again"
                )


def accuracy_of(task: str) -> str:
    """The metric that is the accuracy on a harness task."""
    return f"accuracy: {task}"


def end_of(record: dict) -> tuple[int, float]:
    """Steps done and epochs passed when a run ended; a collapse ends it before its step."""
    plan, collapsed = record["plan"], record["collapsed"]
    if collapsed is None:
        return plan["steps"], plan["epochs"]
    # a fraction of an epoch, because a collapse is no end of one
    return collapsed["step"], collapsed["step"] * plan["batch_size"] / plan["rows"]


def cut_rows(rows: dict[str, dict]) -> dict[str, tuple[int, int]]:
    """answer_cut, generation_cut (see Evaluator) -> rows that limits of evaluation cut, of all that
    have such a limit."""
    counts = {}
    for column in ("answer_cut", "generation_cut"):
        flags: list[bool] = []
        for columns in rows.values():
            flags += columns.get(column, [])  # a log of other software has none
        counts[column] = (sum(flags), len(flags))
    return counts


def answer_losses(
    record: dict, start: list[float], end: list[float]
) -> Iterator[tuple[float, int, list[float]]]:
    """(epoch, step, loss per token of each forget row) along a run. start, end: those of the
    target's evaluation and of the unlearned model's."""
    last_step, last_epoch = end_of(record)
    yield 0, 0, start
    for point in record["points"]:
        # both ends are in the evaluations, whose rows the caller has compared
        if 0 < point["step"] < last_step and "answer_loss" in point:
            yield point["epoch"], point["step"], point["answer_loss"]
    yield last_epoch, last_step, end


def averaged(tests: Mapping[str, Mapping[str, float]], each: Collection[str] = ()) -> Compared:
    """Metrics beside retrained models: the mean of each over those that have it, and of those in
    `each` the value beside every one of several. tests: run of a retrained model -> metrics."""
    values: dict[str, list[float]] = {}
    compared: Compared = {}
    for run, metrics in tests.items():
        for metric, value in metrics.items():
            values.setdefault(metric, []).append(value)
            # beside a single one the mean is that value, and a second row of it would count twice
            if metric in each and len(tests) > 1:
                compared[metric, run] = value
    for metric, numbers in values.items():
        compared[metric] = sum(numbers) / len(numbers)
    return compared

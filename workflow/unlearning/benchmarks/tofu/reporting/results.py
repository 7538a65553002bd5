"""Everything that the report reads of an experiment: evaluations and trajectories, no model."""

from dataclasses import dataclass, field
from pathlib import Path

from unlearning.benchmarks.tofu.reporting.divergence import (
    Divergence,
    divergence_of,
    shows_divergence,
)
from unlearning.benchmarks.tofu.reporting.quality import References
from unlearning.benchmarks.tofu.reporting.trajectories import (
    LossCurve,
    Point,
    attack_points,
    cell_points,
)
from unlearning.benchmarks.tofu.reporting.weights import RowWeights, WeightReader, early
from unlearning.benchmarks.tofu.strata import strata
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun, path_id, seed_of
from unlearning.errors import UserError
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.files import read_json
from unlearning.reporting.labels import RETRAIN, TARGET, model_label
from unlearning.reporting.statistics import mean_metrics

COLLAPSED_UTILITY = 0.05


@dataclass(frozen=True)
class Evaluated:
    """An evaluated model and its metrics, forget quality included.

    method is `target`, `retrain` or a method's name. A retrained model's forget quality is taken
    against the first one; the first one has none.
    """

    split: str
    method: str
    hyper: tuple[tuple[str, float], ...]
    seed: int
    run: str
    metrics: dict[str, float]
    diverged: dict | None = None  # step and reason of a loss or gradient that was no number

    @property
    def collapsed(self) -> bool:
        """Whether training diverged, or went on to a model without utility; a retrained model's
        log need not know its utility."""
        utility = self.metrics.get("model_utility", 1.0)
        return self.diverged is not None or utility < COLLAPSED_UTILITY

    @property
    def label(self) -> str:
        """Its name on the page; equal for the seeds of a variant."""
        return model_label(self.method, dict(self.hyper))

    @property
    def variant(self) -> str:
        """The variant as its folder spells it; empty for target and retrained models."""
        return "" if self.method in (TARGET, RETRAIN) else path_id(dict(self.hyper))


@dataclass
class SplitResults:
    """All results of one forget split."""

    split: str
    rows: dict[str, int]
    target: Evaluated
    retrained: list[Evaluated]
    unlearned: list[Evaluated]
    courses: list[Point] = field(default_factory=list)
    attacks: list[Point] = field(default_factory=list)
    losses: list[LossCurve] = field(default_factory=list)
    strata: dict[str, int] = field(default_factory=dict)  # stratum of the forget set -> rows
    weights: list[list[RowWeights]] = field(default_factory=list)  # the course of each run
    divergence: list[Divergence] = field(default_factory=list)

    @property
    def models(self) -> list[Evaluated]:
        """Target, retrained and unlearned models."""
        return [self.target, *self.retrained, *self.unlearned]

    @property
    def noise_floor(self) -> dict[str, float]:
        """Mean forget quality of the further retrained models against the first; may be empty."""
        judged = [m.metrics for m in self.retrained if "forget_quality" in m.metrics]
        floor = mean_metrics(judged)
        return {k: floor[k] for k in ("forget_quality", "log10_forget_quality") if k in floor}

    def variants(self) -> dict[str, list[Evaluated]]:
        """Label -> the seeds of an unlearned variant, in the config's order."""
        found: dict[str, list[Evaluated]] = {}
        for model in self.unlearned:
            found.setdefault(model.label, []).append(model)
        return found


@dataclass(frozen=True)
class Results:
    """An experiment's results, split by split. missing: files that are not there (yet)."""

    experiment: Experiment
    splits: list[SplitResults]
    missing: list[Path]


def read_results(experiment: Experiment) -> Results:
    """Read and judge everything; UserError if the target or the first retrained is missing."""
    missing: list[Path] = []
    splits = [_Reader(experiment, split, missing).read() for split in experiment.splits]
    return Results(experiment, splits, missing)


class _Reader:
    """Reads one split."""

    def __init__(self, experiment: Experiment, split: str, missing: list[Path]):
        self.experiment, self.layout = experiment, experiment.layout
        self.split, self.missing = split, missing
        chosen = experiment.config["evaluation"]
        self.variant = chosen["variant"]
        retrained = self._references()
        target = read_rows(self.layout.evaluation(split, experiment.target_run))["forget"]
        self.strata, self.weights = strata(target), WeightReader(experiment, target)
        self.target = target
        self.references = References(retrained, self.variant, chosen["membership"], self.strata)

    def read(self) -> SplitResults:
        target_run = self.experiment.target_run
        target = self._judged(TARGET, (), seed_of(target_run), target_run)
        sizes = read_json(self.layout.evaluation(self.split, target_run) / "summary.json")["rows"]
        found = SplitResults(self.split, sizes, target, self._retrained(), [])
        found.strata = {name: len(rows) for name, rows in self.strata.items()}
        for cell in self.experiment.cells():
            if cell.split == self.split:
                self._cell(cell, found)
        for cell, attack in self.experiment.attacks():
            path = self.layout.trajectory(cell.split, cell.attacked_by(attack))
            if cell.split == self.split and self._there(path):
                found.attacks += attack_points(cell, attack, read_json(path), self.references, path)
        return found

    def _references(self) -> dict[str, dict]:
        """Run -> rows of the retrained models; checks that the target is there as well."""
        first, *others = self.experiment.retrain_runs()
        for run in (first, self.experiment.target_run):
            folder = self.layout.evaluation(self.split, run)
            if not all((folder / name).is_file() for name in ("summary.json", "rows.json")):
                raise UserError(
                    f"no evaluation in {folder}: the report needs the target and the first "
                    "retrained model. Run the workflow up to them first"
                )
        runs = [first] + [run for run in others if self._evaluated(run)]
        return {run: read_rows(self.layout.evaluation(self.split, run)) for run in runs}

    def _metrics(self, run: str) -> dict[str, float]:
        return read_metrics(self.layout.evaluation(self.split, run), self.variant)

    def _there(self, path: Path) -> bool:
        """Whether a file is there; remembered as missing otherwise."""
        if not path.is_file():
            self.missing.append(path)
        return path.is_file()

    def _evaluated(self, run: str) -> bool:
        folder = self.layout.evaluation(self.split, run)
        return self._there(folder / "summary.json") and self._there(folder / "rows.json")

    def _judged(
        self, method: str, hyper, seed: int, run: str, diverged=None, rows: dict | None = None
    ) -> Evaluated:
        rows = rows or read_rows(self.layout.evaluation(self.split, run))
        metrics = {**self.references.judge(rows, run), **self._metrics(run)}
        return Evaluated(self.split, method, hyper, seed, run, metrics, diverged)

    def _retrained(self) -> list[Evaluated]:
        """The retrained models; all but the first with their forget quality against it."""
        qualities = [{}, *self.references.noise_floor()]
        models = []
        for run, quality in zip(self.references.rows, qualities, strict=True):
            metrics = {**quality, **self._metrics(run)}
            models.append(Evaluated(self.split, RETRAIN, (), seed_of(run), run, metrics))
        return models

    def _cell(self, cell: UnlearnRun, found: SplitResults) -> None:
        """Adds a cell's evaluation and course, as far as they are there."""
        path = self.layout.trajectory(self.split, cell.run)
        record = read_json(path) if self._there(path) else None
        diverged = record["collapsed"] if record else None
        end, course = None, []
        if self._evaluated(cell.run):
            rows = read_rows(self.layout.evaluation(self.split, cell.run))
            model = self._judged(cell.method, cell.hyper, cell.seed, cell.run, diverged, rows)
            course = self.weights.course(cell, record, rows["forget"]) if record else []
            model.metrics.update(early(course))
            self._divergence(cell, record, rows["forget"], model, found)
            found.unlearned.append(model)
            end = model.metrics
        if record is not None:
            ends = (found.target.metrics, end)
            found.courses += cell_points(cell, record, ends, self.references, path)
            found.losses.append(LossCurve.of(cell, record))
        if course:
            found.weights.append(course)

    def _divergence(
        self, cell: UnlearnRun, record, end: dict, model: Evaluated, found: SplitResults
    ):
        """Adds how far the forget set's log-probability fell, where the run can tell."""
        method = self.experiment.method(cell.method, dict(cell.hyper))
        recipe = self.experiment.config["unlearn"]
        if record is None or not shows_divergence(method, recipe):
            return
        fallen = divergence_of(cell, record, self.target, end)
        model.metrics.update(fallen.metrics())
        found.divergence.append(fallen)

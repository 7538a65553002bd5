"""What a MUSE experiment's report reads: evaluations and trajectories, no model."""

from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.muse.files import FORGET
from unlearning.benchmarks.muse.formulas import PUBLISHED_AUC, privleak
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun, seed_of
from unlearning.errors import UserError
from unlearning.evaluation.records import read_metrics
from unlearning.files import read_json
from unlearning.reporting.evaluated import EvaluatedModel
from unlearning.reporting.labels import RETRAIN, TARGET, model_label
from unlearning.reporting.statistics import mean_metrics


@dataclass(frozen=True)
class MuseResults:
    """Everything read, PrivLeak included. selected: each forget run at the epoch that the release
    would choose."""

    experiment: Experiment
    models: list[EvaluatedModel]
    selected: list[EvaluatedModel]
    missing: list[Path]

    def of(self, split: str) -> list[EvaluatedModel]:
        """Models of a split."""
        return [model for model in self.models if model.split == split]


def read_muse(experiment: Experiment) -> MuseResults:
    """Read and judge everything; UserError if the target or the first retrained is missing."""
    missing: list[Path] = []
    references = _references(experiment, missing)
    retrained = [m for m in references if m.method == RETRAIN]
    judge = _Judge(experiment, [m.metrics["min_k_auc"] for m in retrained])
    judged = [judge.reference(m, m is retrained[0]) for m in references]
    bar = mean_metrics([m.metrics for m in retrained])["knowmem_f"]
    unlearned, selected = [], []
    for cell in experiment.cells():
        course = _course(experiment, cell, judge, missing)
        unlearned += course[-1:]
        if cell.split == FORGET and course:
            selected.append(first_to_forget(course, bar))
    return MuseResults(experiment, [*judged, *unlearned], selected, missing)


def first_to_forget(course: list[EvaluatedModel], bar: float) -> EvaluatedModel:
    """The released stopping rule: the first epoch whose KnowMem on the forget set is not above the
    retrained model's; the last one if none is."""
    return next((m for m in course if m.metrics["knowmem_f"] <= bar), course[-1])


class _Judge:
    """Adds what needs a second model: PrivLeak against each retrained model, then the mean."""

    def __init__(self, experiment: Experiment, retrained: list[float]):
        self.retrained = retrained
        self.published = PUBLISHED_AUC.get(experiment.config["data"].get("corpus"))

    def __call__(self, metrics: dict[str, float]) -> dict[str, float]:
        return metrics | self._leak(metrics["min_k_auc"], self.retrained)

    def reference(self, model: EvaluatedModel, first_retrained: bool) -> EvaluatedModel:
        """A target or retrained model; further retrained models are judged by the first one, which
        has no judge but the published one."""
        judges = self.retrained if model.method == TARGET else self.retrained[:1]
        judges = [] if first_retrained else judges
        model.metrics.update(self._leak(model.metrics["min_k_auc"], judges))
        return model

    def _leak(self, auc: float, judges: list[float]) -> dict[str, float]:
        found = {}
        if judges:
            found["privleak"] = sum(privleak(auc, own) for own in judges) / len(judges)
        if self.published is not None:
            found["privleak_published"] = privleak(auc, self.published)
        return found


def _references(experiment: Experiment, missing: list[Path]) -> list[EvaluatedModel]:
    runs = [(TARGET, experiment.target_run)]
    runs += [(RETRAIN, run) for run in experiment.retrain_runs()]
    found = []
    for place, (method, run) in enumerate(runs):
        folder = experiment.layout.evaluation(FORGET, run)
        if (folder / "summary.json").is_file():
            label, metrics = model_label(method, {}), read_metrics(folder)
            found.append(EvaluatedModel(FORGET, method, "", label, seed_of(run), run, metrics))
        elif place < 2:
            raise UserError(
                f"no evaluation in {folder}: the report needs the target and the first retrained "
                "model. Run the workflow up to them first"
            )
        else:
            missing.append(folder / "summary.json")
    return found


def _course(
    experiment: Experiment, cell: UnlearnRun, judge: _Judge, missing: list[Path]
) -> list[EvaluatedModel]:
    """A run at its evaluated epochs, the end last; empty if the end has not been evaluated."""
    layout = experiment.layout
    trajectory = layout.trajectory(cell.split, cell.run)
    summary = layout.evaluation(cell.split, cell.run) / "summary.json"
    absent = [path for path in (trajectory, summary) if not path.is_file()]
    missing += absent
    if absent:
        return []
    record = read_json(trajectory)
    points = [(point["epoch"], point["metrics"]) for point in record["points"]]
    points.append((record["plan"]["epochs"], read_metrics(summary.parent)))
    label = model_label(cell.method, dict(cell.hyper))
    return [
        EvaluatedModel(
            cell.split,
            cell.method,
            cell.variant,
            label,
            cell.seed,
            cell.run,
            judge(metrics),
            epoch,
            record["collapsed"],
        )
        for epoch, metrics in points
    ]

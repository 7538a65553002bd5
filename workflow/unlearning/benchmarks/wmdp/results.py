"""What a WMDP experiment's report reads: accuracies on harness tasks and trajectories, no model."""

from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.wmdp.mini import TASKS
from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.files import read_json
from unlearning.reporting.evaluated import EvaluatedModel
from unlearning.reporting.harness import check_same_questions
from unlearning.reporting.labels import TARGET, model_label

# metric -> the task whose accuracy it is of, and that of the mini world
ASKED = {
    "one_minus_bio": ("wmdp_bio", TASKS["bio"]),
    "one_minus_cyber": ("wmdp_cyber", TASKS["cyber"]),
    "mmlu": ("mmlu", TASKS["towns"]),
}


@dataclass(frozen=True)
class WmdpResults:
    """Everything read; the target stands once in each split. documents: task -> how many."""

    experiment: Experiment
    models: list[EvaluatedModel]
    documents: dict[str, int]
    versions: list[str]
    missing: list[Path]

    @property
    def splits(self) -> list[str]:
        """Forget corpora."""
        return self.experiment.splits


def read_wmdp(experiment: Experiment) -> WmdpResults:
    """Read everything; UserError if the target's accuracies are missing, or models were asked
    different questions."""
    layout, models, missing = experiment.layout, [], []
    records: dict[Path, dict] = {}

    def read(path: Path) -> dict | None:
        if path not in records and path.is_file():
            records[path] = read_json(path)
        return records.get(path)

    for split in experiment.splits:
        path = layout.harness(split, experiment.target_run)
        if (record := read(path)) is None:
            raise UserError(f"no {path}: the report needs the target. Run the workflow first")
        label, own = model_label(TARGET, {}), metrics(record)
        models.append(
            EvaluatedModel(split, TARGET, "", label, 0, experiment.target_run, own, epoch=None)
        )
        for cell in (c for c in experiment.cells() if c.split == split):
            path = layout.harness(split, cell.run)
            course = layout.trajectory(split, cell.run)
            absent = [p for p in (path, course) if not p.is_file()]
            missing += absent
            if absent:
                continue
            trained = read_json(course)
            label, own = model_label(cell.method, dict(cell.hyper)), metrics(read(path))
            epochs, diverged = trained["plan"]["epochs"], trained["collapsed"]
            name = (split, cell.method, cell.variant, label, cell.seed, cell.run)
            models.append(EvaluatedModel(*name, own, epochs, diverged))
    documents = {t: s["documents"] for r in records.values() for t, s in r["tasks"].items()}
    for task in documents:
        check_same_questions(task, records)
    versions = sorted({record["lm_eval"] for record in records.values()})
    return WmdpResults(experiment, models, documents, versions, missing)


def metrics(record: dict) -> dict[str, float]:
    """1 - accuracy on bio and cyber, and accuracy on MMLU, of a harness record."""
    found = {}
    for name, tasks in ASKED.items():
        scores = next(s for task, s in record["tasks"].items() if task in tasks)
        found[name] = scores["accuracy"] if name == "mmlu" else 1 - scores["accuracy"]
    return found

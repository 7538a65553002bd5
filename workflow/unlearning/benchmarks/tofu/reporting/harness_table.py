"""Accuracies on harness tasks: model x task, mean and spread over seeds."""

from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.tofu.reporting.results import Results, SplitResults
from unlearning.evaluation.metrics import Metric, task_metric
from unlearning.files import read_json
from unlearning.reporting.csv_files import csv_text
from unlearning.reporting.harness import check_same_questions
from unlearning.reporting.labels import metric_text
from unlearning.reporting.statistics import Spread, spread


@dataclass(frozen=True)
class Row:
    """A variant's accuracies, task by task; None where no seed has one."""

    split: str
    method: str
    variant: str
    label: str
    accuracies: dict[str, Spread | None]

    def texts(self) -> list[tuple[float | None, str, str]]:
        """(mean, mean in words, deviation in words) of each task."""
        return [_texts(task, found) for task, found in self.accuracies.items()]


@dataclass(frozen=True)
class HarnessResults:
    """metrics: declaration of each task's accuracy. missing: files that are not there (yet)."""

    metrics: dict[str, Metric]
    splits: dict[str, list[Row]]
    documents: dict[str, int]
    versions: list[str]
    missing: list[Path]

    def csv(self) -> str:
        """One line per split, variant and task."""
        header = ("split", "method", "variant", "label", "task", "mean", "sd", "n")
        return csv_text(
            header,
            [
                (row.split, row.method, row.variant, row.label, task, s.mean, s.sd, s.n)
                for rows in self.splits.values()
                for row in rows
                for task, s in row.accuracies.items()
                if s is not None
            ],
        )


def read_harness(results: Results) -> HarnessResults | None:
    """Accuracies of every model of the report; None if the experiment asks for no task."""
    if not results.experiment.config["harness"]["tasks"]:
        return None
    layout, log_of = results.experiment.layout, results.experiment.log_of
    runs = [(s.split, m.run) for s in results.splits for m in s.models]
    paths = [layout.harness(*run) for run in runs if log_of(*run) is None]
    records = {path: read_json(path) for path in paths if path.is_file()}
    # a tag stands for several tasks, so the records know the tasks, in the config's order
    documents = {
        task: scores["documents"] for r in records.values() for task, scores in r["tasks"].items()
    }
    for task in documents:
        check_same_questions(task, records)
    return HarnessResults(
        {task: task_metric(task) for task in documents},
        {s.split: _rows(s, layout, records, list(documents)) for s in results.splits},
        documents,
        sorted({record["lm_eval"] for record in records.values()}),
        sorted({path for path in paths if path not in records}),
    )


def _rows(split: SplitResults, layout, records: dict, tasks: list[str]) -> list[Row]:
    rows = []
    for models in ([split.target], split.retrained, *split.variants().values()):
        found = [records.get(layout.harness(split.split, m.run), {"tasks": {}}) for m in models]
        accuracies = {
            task: spread(r["tasks"].get(task, {}).get("accuracy") for r in found) for task in tasks
        }
        first = models[0]
        rows.append(Row(split.split, first.method, first.variant, first.label, accuracies))
    return rows


def _texts(task: str, found: Spread | None) -> tuple[float | None, str, str]:
    if found is None:
        return None, "–", ""
    sd = "" if found.sd is None else metric_text(task, found.sd)
    return found.mean, metric_text(task, found.mean), sd

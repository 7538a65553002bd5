"""Published numbers of MUSE and WMDP (config/published/), and which of them are of this model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.methods.registry import names
from unlearning.reporting.comparison import (
    Compared,
    Source,
    half_unit,
    same_hyperparameters,
    same_model,
)
from unlearning.reporting.evaluated import SeedGroup
from unlearning.reporting.labels import NAMES, RETRAIN, TARGET, compact
from unlearning.reporting.made_with import made_alike


@dataclass(frozen=True)
class PublishedRow:
    """A model's published numbers. values: as the file has them, whole numbers as int. digits:
    decimals of the others. hyper: its hyper-parameters, as far as they are published."""

    method: str
    published_as: str
    values: dict[str, float]
    digits: int
    hyper: dict[str, float]
    source: Source

    @property
    def name(self) -> str:
        """The method as this project names it."""
        return NAMES.get(self.method, self.method)

    @property
    def note(self) -> str:
        """The published hyper-parameters in words."""
        return ", ".join(f"{key} {compact(value)}" for key, value in self.hyper.items())

    def decimals(self, metric: str) -> int:
        """With how many decimals a number is printed."""
        return 0 if isinstance(self.values[metric], int) else self.digits

    def text(self, metric: str) -> str:
        """A number as printed; a dash where there is none."""
        if metric not in self.values:
            return "–"
        return f"{self.values[metric]:.{self.decimals(metric)}f}"


@dataclass(frozen=True)
class PublishedModel:
    """Numbers of one base model that unlearned one split. same: whether this experiment unlearns
    that very model of that very data."""

    name: str
    split: str
    same: bool
    rows: list[PublishedRow]


def load_published_models(
    path: Path, experiment: Experiment, metrics: Sequence[str], digits: int
) -> list[PublishedModel]:
    """The file's content; UserError for an unknown source, method or key.

    metrics: the numbers that a row may have. digits: with which decimals they are printed.
    """
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    sources = {key: Source(**stated) for key, stated in content["sources"].items()}
    base, data = experiment.config["model"]["path"], experiment.config["data"]
    models = []
    for entry in content["models"]:
        where = f"{path}: {entry['name']}"
        same_data = all(data[key] == value for key, value in entry["data"].items())
        same = bool(base) and same_data and same_model(base, entry["hub_ids"])
        rows = [
            _row(row, sources, metrics, digits, f"{where}, {row.get('method')}")
            for row in entry["rows"]
        ]
        models.append(PublishedModel(entry["name"], entry["split"], same, rows))
    return models


def compared(
    models: list[PublishedModel], groups: list[SeedGroup], experiment: Experiment
) -> list[Compared]:
    """Every published cell of this experiment's own model that we have a value for."""
    rows = [(model.split, row) for model in models if model.same for row in model.rows]
    return [
        cell
        for group in groups
        for split, row in rows
        if split == group.first.split and _speaks_of(row, group, experiment)
        for cell in _cells(row, group)
    ]


def beside(
    models: list[PublishedModel], group: SeedGroup, experiment: Experiment
) -> dict[str, Compared]:
    """metric -> what is published of a variant; of several sources the first stated."""
    found: dict[str, Compared] = {}
    for cell in compared(models, [group], experiment):
        found.setdefault(cell.metric, cell)
    return found


def _speaks_of(row: PublishedRow, group: SeedGroup, experiment: Experiment) -> bool:
    first = group.first
    if row.method != first.method:
        return False
    referred = first.method in (TARGET, RETRAIN)
    hyper = {} if referred else experiment.hyper(first.method, first.variant)
    if not made_alike(row.source.config, row.method, hyper, experiment.config):
        return False
    return same_hyperparameters(row.hyper, first.method, hyper, experiment)


def _cells(row: PublishedRow, group: SeedGroup) -> list[Compared]:
    cells = []
    for metric, value in row.values.items():
        seeds = [m.metrics[metric] for m in group.models if metric in m.metrics]
        to_itself = metric == "privleak" and row.method == RETRAIN  # 0 by definition
        if seeds and not to_itself:
            first, half = group.first, half_unit(value, row.decimals(metric))
            own = (first.split, first.label, metric, value, row.text(metric), half)
            cells.append(Compared(*own, row.source, bool(row.hyper), seeds))
    return cells


def _row(
    row: dict, sources: dict[str, Source], metrics: Sequence[str], digits: int, where: str
) -> PublishedRow:
    keys = {"method", "published_as", *metrics, "source", "hyper"}
    if unknown := set(row) - keys:
        allowed = ", ".join(sorted(keys))
        raise UserError(f"{where}: unknown key {sorted(unknown)}. Allowed: {allowed}")
    for key, known in (("source", list(sources)), ("method", [*NAMES, *names()])):
        if row.get(key) not in known:
            raise UserError(
                f"{where}: unknown {key} {row.get(key)!r}. Allowed: {', '.join(known[:12])} …"
            )
    values = {name: row[name] for name in metrics if name in row}
    as_published, source = row.get("published_as", row["method"]), sources[row["source"]]
    hyper = source.hyper.get(row["method"], {}) | row.get("hyper", {})
    return PublishedRow(row["method"], as_published, values, digits, hyper, source)

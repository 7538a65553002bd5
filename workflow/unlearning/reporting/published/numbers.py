"""Read published numbers (config/published/), and compare those of the experiment's own model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unlearning.errors import UserError
from unlearning.methods.registry import names
from unlearning.reporting.frame import LOG10, finals, geometric, spreads, unit_of, units
from unlearning.reporting.labels import NAMES, RETRAIN, TARGET, compact, scientific
from unlearning.reporting.published.comparison import Compared, Source, half_unit, same_settings
from unlearning.reporting.results import Results

_KEYS = {"method", "published_as", "source", "hyper", "note"}
# metrics that compare with a retrained model, which sources print for that model itself too
TO_ITSELF = ("privleak", "forget_quality")


@dataclass(frozen=True)
class PublishedRow:
    """A model's published numbers.

    values: metric -> number as in the file; whole numbers are int. digits: decimals of the others.
    hyper: its published hyper-parameters. n: rows in the test of forget quality, if published.
    """

    method: str
    published_as: str
    values: dict[str, float]
    digits: int
    hyper: dict[str, float]
    n: int | None
    remark: str
    source: Source

    @property
    def name(self) -> str:
        """The method as this project names it."""
        return NAMES.get(self.method, self.method)

    @property
    def note(self) -> str:
        """The published hyper-parameters, the rows of the test and the file's remark."""
        hyper = ", ".join(f"{key} {compact(value)}" for key, value in self.hyper.items())
        rows = f"n = {self.n}" if self.n else ""
        return "; ".join(text for text in (hyper, rows, self.remark) if text)

    def decimals(self, metric: str) -> int:
        """With how many decimals a number is printed."""
        return 0 if isinstance(self.values[metric], int) else self.digits

    def text(self, metric: str) -> str:
        """A number as printed; a dash where there is none."""
        value = self.values.get(metric)
        if value is None:
            return "–"
        digits = self.decimals(metric)
        return scientific(value, 2) if 0 < abs(value) < 10**-digits else f"{value:.{digits}f}"


@dataclass(frozen=True)
class PublishedModel:
    """Published numbers of one base model and forget split. same: whether the experiment has the
    same base model and data."""

    name: str
    split: str
    same: bool
    rows: list[PublishedRow]
    notes: list[str]


@dataclass(frozen=True)
class PublishedNumbers:
    """The content of a file. metrics: those that any source prints. statements: what a paper states
    in words, with its source."""

    models: list[PublishedModel] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    statements_source: Source | None = None


def load_published(path: Path | None, experiment: Any) -> PublishedNumbers:
    """The file's content; UserError for an unknown source, method or key."""
    if path is None:
        return PublishedNumbers()
    content = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)
    sources = {key: Source(**entry) for key, entry in content["sources"].items()}
    models = []
    for entry in content["models"]:
        name, split, notes = entry["name"], entry["split"], entry.get("notes", [])
        where = f"{path}: {name}, {split}"
        rows = [_row(row, sources, content, split, where) for row in entry["rows"]]
        models.append(PublishedModel(name, split, _is_ours(entry, experiment), rows, notes))
    # a file may have numbers alone
    statements = content.get("statements", {"items": [], "source": None})
    source = sources.get(statements["source"])
    return PublishedNumbers(models, content["metrics"], statements["items"], source)


def compared(published: PublishedNumbers, results: Results) -> list[Compared]:
    """Each published number of the experiment's own model, with the value measured here.

    Only runs with the settings of the source are compared, and forget quality only if the test had
    as many rows. If the source states hyper-parameters, its number is compared with the variants
    that have them, else with every variant, and the table says so.
    """
    models = finals(results.frame)
    # one unit for all cells: of a variant a single draw may have run
    unit = unit_of(models)
    means = spreads(models, ["split", "label"], unit)
    cells = []
    for model in published.models:
        if not model.same:  # the page shows it apart, for orientation
            continue
        of_split = models[models["split"] == model.split]
        for label, rows in of_split.groupby("label", sort=False):
            method = rows["method"].iloc[0]
            for row in model.rows:
                if row.method == method and _same_settings(row, model.split, label, results):
                    cells += _cells(row, rows, means[model.split, label], unit)
    return cells


def beside(cells: list[Compared]) -> dict[tuple[str, str, str], Compared]:
    """(split, label, metric) -> the published number, of the first source if there are several."""
    by_cell: dict[tuple[str, str, str], Compared] = {}
    for cell in cells:
        by_cell.setdefault((cell.split, cell.label, cell.metric), cell)
    return by_cell


def _is_ours(entry: dict, experiment: Any) -> bool:
    """Whether base model and data are the experiment's. Models are compared by the last part of
    their paths, because a folder of a model has another path than its hub id."""
    base, data = experiment.config["model"]["path"], experiment.config["data"]
    if not base or any(data.get(key) != value for key, value in entry["data"].items()):
        return False
    names = [Path(hub_id).name.lower() for hub_id in entry["hub_ids"]]
    return Path(base).name.lower() in names


def _same_settings(row: PublishedRow, split: str, label: str, results: Results) -> bool:
    """Whether a variant has the recipe and the hyper-parameters that a source states."""
    config = results.experiment.config
    if row.method in (TARGET, RETRAIN):  # without hyper-parameters
        return same_settings(row.source.config, row.method, {}, config)
    variant = results.variants[split][label]
    same = all(variant.complete.get(key) == value for key, value in row.hyper.items())
    return same and same_settings(row.source.config, row.method, variant.hyper, config)


def _cells(row: PublishedRow, models, means, unit: str) -> list[Compared]:
    """The numbers of a published row, each with the value of one variant.

    models: the variant's rows of the frame. means: metric -> its spread, over `unit`.
    """
    split, label = models["split"].iloc[0], models["label"].iloc[0]
    rows_tested = set(models.loc[models["metric"] == "forget_quality_rows", "value"])
    cells = []
    for metric, value in row.values.items():
        # a retrained model compared with itself is no measurement
        if row.method == RETRAIN and metric in TO_ITSELF:
            continue
        # p-values depend on the number of rows in the test
        if metric == "forget_quality" and row.n is not None and rows_tested != {row.n}:
            continue
        values = _values(models, metric, unit)
        if not values:  # not every experiment evaluates all that a source prints
            continue
        half, ours = half_unit(value, row.decimals(metric)), means[metric]
        cell = (split, label, metric, value, row.text(metric), half)
        cells.append(Compared(*cell, row.source, bool(row.hyper), ours.mean, ours.sd, values))
    return cells


def _values(models, metric: str, unit: str) -> list[float]:
    """A metric of one variant, a value of each unit; of a p-value the geometric mean of a draw."""
    if metric in geometric(models["metric"]):
        return [10**value for value in _values(models, f"{LOG10}{metric}", unit)]
    return units(models[models["metric"] == metric], ["label"], unit)["value"].tolist()


def _row(
    row: dict, sources: dict[str, Source], content: dict, split: str, where: str
) -> PublishedRow:
    """A checked row of the file. where: the file and the model, for messages."""
    where = f"{where}, {row.get('method')}"
    keys = _KEYS | set(content["metrics"])
    if unknown := set(row) - keys:
        raise UserError(
            f"{where}: unknown key {sorted(unknown)}. Allowed: {', '.join(sorted(keys))}"
        )
    for key, allowed_values in (("source", list(sources)), ("method", [*NAMES, *names()])):
        if row.get(key) not in allowed_values:
            allowed_text = ", ".join(allowed_values[:12])
            raise UserError(f"{where}: unknown {key} {row.get(key)!r}. Allowed: {allowed_text} …")
    values = {name: row[name] for name in content["metrics"] if name in row}
    source = sources[row["source"]]
    return PublishedRow(
        row["method"],
        row.get("published_as", row["method"]),
        values,
        content["digits"],
        source.hyper.get(row["method"], {}) | row.get("hyper", {}),
        source.n.get(split),
        row.get("note", ""),
        source,
    )

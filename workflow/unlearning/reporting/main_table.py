"""The main table as the page shows it: columns, and rows of mean ± standard deviation."""

import itertools
from dataclasses import dataclass

from unlearning.evaluation.tofu import METRICS, PARTS
from unlearning.reporting.aggregates import Aggregate, aggregates
from unlearning.reporting.charts import MEANINGFUL
from unlearning.reporting.labels import RETRAIN, SETS, metric_text
from unlearning.reporting.published import Published
from unlearning.reporting.results import SplitResults

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
_SHORT = {
    "forget_quality": "FQ",
    "log10_forget_quality": "log₁₀ FQ",
    "ks_statistic": "KS",
    "model_utility": "MU",
    "rouge": "ROUGE-L",
    "probability": "prob.",
    "truth_ratio": "TR",
    "truth_ratio_median": "TR med.",
}
_LEADING = ("forget_quality", "log10_forget_quality", "ks_statistic", "model_utility")
_FORGET = ("rouge", "probability", "truth_ratio", "truth_ratio_median")
ORDER = (*_LEADING, *(f"forget_{m}" for m in _FORGET), *PARTS)


@dataclass(frozen=True)
class Column:
    """A metric's column. part: one of the nine parts of utility, hidden at first."""

    key: str
    group: str
    title: str
    arrow: str
    better: str
    explanation: str
    part: bool


@dataclass(frozen=True)
class Cell:
    """A mean and its spread in words, and the number that sorting uses."""

    text: str
    sd: str
    value: float | None
    part: bool = False
    good: bool = False


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    label: str
    method: str
    seeds: int
    collapsed: int
    cells: list[Cell]
    published: Published | None


def columns() -> list[Column]:
    """The table's columns, the papers' two headline metrics first."""
    return [_column(key) for key in ORDER]


def groups() -> list[tuple[str, int, bool]]:
    """(title, number of columns, whether hidden at first) of the heads above the columns."""
    by_group = itertools.groupby(columns(), key=lambda column: (column.group, column.part))
    return [(title, len(list(members)), part) for (title, part), members in by_group]


def _column(key: str) -> Column:
    metric = METRICS[key]
    if key in _LEADING:
        group, short = ("" if key == "model_utility" else "Forget quality"), key
    else:
        evaluated = next(name for name in SETS if key.startswith(f"{name}_"))
        group, short = SETS[evaluated], key.removeprefix(f"{evaluated}_")
    return Column(
        key,
        group,
        _SHORT[short],
        _ARROWS[metric.better],
        metric.better,
        f"{metric.title}. Source: {metric.source}",
        key in PARTS,
    )


def rows(split: SplitResults, published: dict[str, Published]) -> list[Row]:
    """Target, retrained and every variant. published: label -> published numbers of this model."""
    return [_row(found, published.get(found.label)) for found in aggregates(split)]


def _row(found: Aggregate, published: Published | None) -> Row:
    cells = [_cell(found, key) for key in ORDER]
    return Row(found.label, found.method, len(found.seeds), len(found.collapsed), cells, published)


def _cell(found: Aggregate, key: str) -> Cell:
    spread = found.metrics.get(key)
    if spread is None:
        return Cell("–", "", None, key in PARTS)
    sd = "" if spread.sd is None else metric_text(key, spread.sd)
    forgets = key == "log10_forget_quality" and spread.mean > MEANINGFUL
    good = forgets and found.method != RETRAIN
    return Cell(metric_text(key, spread.mean), sd, spread.mean, key in PARTS, good)

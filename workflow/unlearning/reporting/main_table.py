"""The main table as the page shows it: columns, and rows of mean ± standard deviation."""

from dataclasses import dataclass

from unlearning.evaluation.tofu import METRICS, PARTS
from unlearning.reporting.aggregates import Aggregate, aggregates, is_noise_floor
from unlearning.reporting.labels import metric_text
from unlearning.reporting.published import Published
from unlearning.reporting.results import SplitResults

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
_SHORT = {
    "forget_quality": "FQ",
    "log10_forget_quality": "log₁₀ FQ",
    "ks_statistic": "KS",
    "model_utility": "MU",
    "forget_truth_ratio": "Forget TR",
    "forget_truth_ratio_median": "Forget TR, median",
    "forget_probability": "Forget prob.",
}
_LEADING = ("forget_quality", "log10_forget_quality", "ks_statistic", "model_utility")
_FORGET = ("rouge", "probability", "truth_ratio", "truth_ratio_median")
ORDER = (*_LEADING, *(f"forget_{m}" for m in _FORGET), *PARTS)


@dataclass(frozen=True)
class Column:
    """A metric's column. part: one of the nine parts of utility, hidden at first."""

    key: str
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
    return [
        Column(
            key,
            _SHORT.get(key, METRICS[key].title),
            _ARROWS[METRICS[key].better],
            METRICS[key].better,
            f"{METRICS[key].title}. Source: {METRICS[key].source}",
            key in PARTS,
        )
        for key in ORDER
    ]


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
    good = key == "forget_quality" and spread.mean > 0.05 and not is_noise_floor(found)
    return Cell(metric_text(key, spread.mean), sd, spread.mean, key in PARTS, good)

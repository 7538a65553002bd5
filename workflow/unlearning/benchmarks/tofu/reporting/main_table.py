"""The page's tables of results: columns, and rows of mean ± standard deviation.

ORDER is the main table. FURTHER holds memorisation, membership and fluency, as far as measured.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from unlearning.benchmarks.tofu import strata
from unlearning.benchmarks.tofu.formulas import PARTS
from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.reporting.aggregates import Aggregate, aggregates
from unlearning.benchmarks.tofu.reporting.published import Published
from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.evaluation.membership import ATTACKS
from unlearning.reporting.charts import MEANINGFUL
from unlearning.reporting.labels import ARROWS, RETRAIN, SETS, metric_text

_SHORT = {
    "forget_quality": "FQ",
    "log10_forget_quality": "log₁₀ FQ",
    "ks_statistic": "KS",
    "model_utility": "MU",
    "rouge": "ROUGE-L",
    "probability": "prob.",
    "truth_ratio": "TR",
    "truth_ratio_median": "TR med.",
    "extraction_strength": "ES",
    "exact_memorization": "EM",
    "one_minus_rouge": "1−ROUGE-L",
    "one_minus_probability": "1−prob.",
    "one_minus_extraction_strength": "1−ES",
    "mia_loss_auc": "loss",
    "mia_zlib_auc": "zlib",
    "mia_min_k_auc": "min-k",
    "mia_min_k_plus_plus_auc": "min-k++",
    "mia_reference_auc": "reference",
    "mia_gradnorm_auc": "grad. norm",
    "privleak": "PrivLeak %",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_3": "distinct-3",
    "repetition": "repetition",
    "empty": "empty",
    "perplexity": "perplexity",
}
_LEADING = ("forget_quality", "log10_forget_quality", "ks_statistic", "model_utility")
_FORGET = ("rouge", "probability", "truth_ratio", "truth_ratio_median")
ORDER = (*_LEADING, *(f"forget_{m}" for m in _FORGET), *PARTS)
_MEMORIZATION = ("extraction_strength", "exact_memorization")
_FORGOTTEN = ("one_minus_rouge", "one_minus_probability", "one_minus_extraction_strength")
_MEMBERSHIP = (*(f"mia_{attack}_auc" for attack in ATTACKS), "privleak")
_FLUENCY = ("perplexity", "repetition", "empty")
_DISTINCT = ("distinct_1", "distinct_2", "distinct_3")
FURTHER = (
    *(f"forget_{m}" for m in (*_MEMORIZATION, *_FORGOTTEN, *_FLUENCY, *_DISTINCT)),
    *_MEMBERSHIP,
    *(f"retain_{m}" for m in (*_MEMORIZATION, *_FLUENCY)),
)
_GROUPS = {
    **dict.fromkeys(_LEADING, "Forget quality"),
    "model_utility": "",
    **dict.fromkeys(_MEMBERSHIP, "Membership (AUC)"),
}


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
class TableCell:
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
    cells: list[TableCell]
    published: Published | None


def columns(keys: Sequence[str] = ORDER) -> list[Column]:
    """A table's columns; in the main one the papers' two headline metrics come first."""
    return [_column(key) for key in keys]


def groups(keys: Sequence[str] = ORDER) -> list[tuple[str, int, bool]]:
    """(title, number of columns, whether hidden at first) of the heads above the columns."""
    by_group = itertools.groupby(columns(keys), key=lambda column: (column.group, column.part))
    return [(title, len(list(members)), part) for (title, part), members in by_group]


def _column(key: str) -> Column:
    metric = METRICS[key]
    between = "{:g} to {:g}".format(*metric.range).replace("inf", "∞")
    name, _, stratum = key.partition("@")
    if stratum:
        group, short = strata.TITLES[stratum].capitalize(), name
    elif key in _GROUPS:
        group, short = _GROUPS[key], key
    else:
        evaluated = next(name for name in SETS if key.startswith(f"{name}_"))
        group, short = SETS[evaluated], key.removeprefix(f"{evaluated}_")
    return Column(
        key,
        group,
        _SHORT[short],
        ARROWS[metric.better],
        metric.better,
        f"{metric.title} ({between}). Source: {metric.source}",
        key in PARTS,
    )


def rows(
    split: SplitResults, published: dict[str, Published], keys: Sequence[str] = ORDER
) -> list[Row]:
    """Target, retrained and every variant. published: label -> published numbers of this model."""
    return [_row(found, published.get(found.label), keys) for found in aggregates(split)]


def measured(splits: list[SplitResults]) -> list[str]:
    """The keys of FURTHER that some model has."""
    present = {key for split in splits for model in split.models for key in model.metrics}
    return [key for key in FURTHER if key in present]


def _row(found: Aggregate, published: Published | None, keys: Sequence[str]) -> Row:
    cells = [_cell(found, key) for key in keys]
    return Row(found.label, found.method, len(found.seeds), len(found.collapsed), cells, published)


def _cell(found: Aggregate, key: str) -> TableCell:
    spread = found.metrics.get(key)
    if spread is None:
        return TableCell("–", "", None, key in PARTS)
    sd = "" if spread.sd is None else metric_text(key, spread.sd)
    forgets = key.partition("@")[0] == "log10_forget_quality" and spread.mean > MEANINGFUL
    good = forgets and found.method != RETRAIN
    return TableCell(metric_text(key, spread.mean), sd, spread.mean, key in PARTS, good)

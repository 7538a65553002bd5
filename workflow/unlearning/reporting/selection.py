"""Picking by the metric that one is then judged on: the number that flatters, and a corrected one.

The best of several epochs or variants is partly the luckiest, and its own number keeps that luck.
Cross-fitting takes it out: the pick is made on one part of the data and judged on another, in turn.
With several draws it is made on the others and judged on the one left out; with one draw, on the
other seeds beside the other retrained models. A pick from less data is a little worse, so the
corrected number errs on the low side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
import pandas
from numpy import ndarray

from unlearning.reporting.frame import AGAINST, VARIANT, beside_or_mean, each_comparison
from unlearning.reporting.inference import DRAW
from unlearning.reporting.labels import metric_text
from unlearning.reporting.peaks import QUALITY, peaks, states
from unlearning.reporting.tables import Cell, Column, Row, Table

CELL = ["draw", "reference", "seed"]
Means = Mapping[str, pandas.Series]
_TITLES = {QUALITY: "log₁₀ FQ", "model_utility": "MU"}


@dataclass(frozen=True)
class Choice:
    """The candidate that a rule picks. naive: metric -> mean of the pick on all data. corrected:
    the same by cross-fitting, empty if nothing can be left out. left_out: in words."""

    candidate: float | str
    naive: dict[str, float]
    corrected: dict[str, float]
    left_out: str


def choice(values: Mapping[str, pandas.DataFrame], rule: Callable[[Means], float | str]) -> Choice:
    """The rule's pick, judged on the data that it was made on and on others.

    values: metric -> a row for each draw, retrained model and seed (CELL), a column for each
    candidate; rows and columns are the same for all metrics. rule: metric -> means by candidate ->
    the candidate picked.
    """
    cells = next(iter(values.values())).index
    means = {metric: _means(table) for metric, table in values.items()}
    pick = rule(means)
    naive = {metric: float(means[metric][pick]) for metric in values}
    held: dict[str, list[pandas.Series]] = {metric: [] for metric in values}
    left_out, folds = _folds(cells)
    for rest, left in folds:
        picked = rule({metric: _means(table[rest]) for metric, table in values.items()})
        for metric, table in values.items():
            held[metric].append(table.loc[left, picked])
    corrected = {}
    for metric, parts in held.items():
        if parts:
            corrected[metric] = float(_means(pandas.concat(parts)))
    return Choice(pick, naive, corrected, left_out)


def _means(table: pandas.DataFrame) -> pandas.Series:
    """Candidate -> its mean over draws of the means of each."""
    return table.groupby(level=DRAW).mean().mean()


def _folds(cells: pandas.MultiIndex) -> tuple[str, list[tuple[ndarray, ndarray]]]:
    """What is left out, and pairs of masks: the cells that a pick is made on, and those that it is
    judged on."""
    draws, references, seeds = (cells.get_level_values(name).to_numpy() for name in CELL)
    if len(set(draws)) > 1:
        return "one draw", [(draws != draw, draws == draw) for draw in dict.fromkeys(draws)]
    levels = {"retrained model": references, "seed": seeds}
    several = {name: values for name, values in levels.items() if len(set(values)) > 1}
    if not several:
        return "", []
    words = " and ".join(f"one {name}" for name in several)
    return words, list(_one_by_one([*several.values()], len(cells)))


def _one_by_one(levels: list[ndarray], count: int) -> Iterator[tuple[ndarray, ndarray]]:
    for cell in range(count):
        rest = numpy.logical_and.reduce([values != values[cell] for values in levels])
        if rest.any():
            yield rest, numpy.arange(count) == cell


def peak_choices(frame: pandas.DataFrame) -> dict[tuple, Choice]:
    """VARIANT -> its peak: the epoch with the highest mean log10 FQ."""
    course = beside_or_mean(states(frame, AGAINST), states(frame))
    course = course[(course["metric"] == QUALITY) & (course["epoch"] > 0)]
    choices = {}
    with_peaks = peaks(frame)[VARIANT]
    for key, rows in course.merge(with_peaks, on=VARIANT).groupby(VARIANT, sort=False):
        table = rows.pivot_table("value", CELL, "epoch")
        choices[key] = choice({QUALITY: table}, lambda means: means[QUALITY].idxmax())
    return choices


def by_cell(models: pandas.DataFrame, metrics: list[str]) -> dict[str, pandas.DataFrame]:
    """Metric -> a row for each CELL, a column for each label, of finished models; metrics that
    compare with no retrained model stand beside each of them. models: rows of the frame."""
    each = each_comparison(models, metrics)
    tables = {}
    for metric in metrics:
        rows = each[each["metric"] == metric]
        tables[metric] = rows.pivot_table("value", CELL, "label", sort=False)
    cells = max((table.index for table in tables.values()), key=len)
    for metric, table in tables.items():
        if len(table) < len(cells):
            runs = table.droplevel("reference")
            keys = zip(cells.get_level_values("draw"), cells.get_level_values("seed"), strict=True)
            tables[metric] = runs.reindex(list(keys)).set_axis(cells)
    return tables


def choice_table(
    id: str, caption: str, metrics: list[str], rows: list[Row], heads: Sequence[Column] = ()
) -> Table:
    """A table of choices: each metric as it is and corrected. heads: of columns in front."""
    columns = list(heads)
    for metric in metrics:
        title = _TITLES[metric]
        columns += [
            Column(f"{metric}-naive", "as chosen", title, explanation="On the data of the choice"),
            Column(f"{metric}-corrected", "corrected", title, explanation="On data left out of it"),
        ]
    columns.append(Column("left_out", "Left out in turn", number=False))
    return Table(id, caption, columns, rows)


def choice_row(label: str, picked: Choice, results, leading: Sequence[Cell] = ()) -> Row:
    """A choice as a row of that table. leading: cells in front."""
    cells = list(leading)
    for metric, naive in picked.naive.items():
        for value in (naive, picked.corrected.get(metric)):
            digits = results.metrics[metric].digits
            cells.append(Cell(metric_text(metric, value, digits), value))
    words = picked.left_out or "–"
    return Row(label, [*cells, Cell(words, words)])

"""Correct the number of a candidate that was chosen by the same metric.

The best of several epochs or variants is partly the luckiest, and its own number includes that
luck. Cross-fitting removes it: a candidate is chosen on one part of the data and judged on the
rest, for each part in turn. With several draws, one draw is left out of the choice and used to
judge it. With one draw, the choice is made on the other seeds with the other retrained models. A
choice from less data is a little worse, so the corrected number errs on the low side.
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

CELL = ["draw", "reference", "seed"]  # columns of the frame that tell one value from another
Means = Mapping[str, pandas.Series]
_TITLES = {QUALITY: "log₁₀ FQ", "model_utility": "MU"}


@dataclass(frozen=True)
class Choice:
    """The candidate that a rule chooses.

    naive: metric -> its mean on all data, on which it was chosen. corrected: the same by
    cross-fitting, empty if nothing can be left out. left_out: what is left out in turn, in words.
    """

    candidate: float | str
    naive: dict[str, float]
    corrected: dict[str, float]
    left_out: str


def choice(values: Mapping[str, pandas.DataFrame], rule: Callable[[Means], float | str]) -> Choice:
    """The candidate that a rule chooses, judged on the data of the choice and on data left out.

    values: metric -> a row for each draw, retrained model and seed (CELL), a column for each
    candidate; rows and columns are the same for all metrics. rule: from metric -> mean of each
    candidate, to the candidate that it chooses.
    """
    cells = next(iter(values.values())).index  # CELL
    means = {metric: _means(table) for metric, table in values.items()}
    candidate = rule(means)
    naive = {metric: float(means[metric][candidate]) for metric in values}
    # Each fold may choose another candidate; of that one the values left out count.
    held_out: dict[str, list[pandas.Series]] = {metric: [] for metric in values}
    left_out, folds = _folds(cells)
    for training, test in folds:
        fold_means = {metric: _means(table[training]) for metric, table in values.items()}
        fold_candidate = rule(fold_means)
        for metric, table in values.items():
            held_out[metric].append(table.loc[test, fold_candidate])
    corrected = {}
    for metric, parts in held_out.items():
        if parts:
            corrected[metric] = float(_means(pandas.concat(parts)))
    return Choice(candidate, naive, corrected, left_out)


def _means(table: pandas.DataFrame) -> pandas.Series:
    """Candidate -> the mean of its draws' means."""
    # as everywhere in the report: each draw counts once, however many of its runs are in
    return table.groupby(level=DRAW).mean().mean()


def _folds(cells: pandas.MultiIndex) -> tuple[str, list[tuple[ndarray, ndarray]]]:
    """What is left out in turn, in words, and a pair of masks over the cells for each fold: those
    that a choice is made on, and those that judge it."""
    # whole draws: values of one share its target and retrained models, so a choice on some of them
    # would know something of the others
    draws, references, seeds = (cells.get_level_values(name).to_numpy() for name in CELL)
    if len(set(draws)) > 1:
        return "one draw", [(draws != draw, draws == draw) for draw in dict.fromkeys(draws)]
    levels = {"retrained model": references, "seed": seeds}
    # what there is one of is in every cell: leaving it out would leave nothing to choose on
    several = {name: values for name, values in levels.items() if len(set(values)) > 1}
    if not several:
        return "", []
    words = " and ".join(f"one {name}" for name in several)
    return words, list(_leave_one_out([*several.values()], len(cells)))


def _leave_one_out(levels: list[ndarray], count: int) -> Iterator[tuple[ndarray, ndarray]]:
    """Leave out each cell in turn, and for the choice all cells that share a seed or a retrained
    model with it, whose values are not independent of its value."""
    for cell in range(count):
        independent = numpy.logical_and.reduce([values != values[cell] for values in levels])
        if independent.any():
            yield independent, numpy.arange(count) == cell


def peak_choices(frame: pandas.DataFrame) -> dict[tuple, Choice]:
    """VARIANT -> the choice of its peak, the epoch with the highest mean log10 FQ."""
    course = beside_or_mean(states(frame, AGAINST), states(frame))
    # epoch 0 is the target, which no run can choose
    course = course[(course["metric"] == QUALITY) & (course["epoch"] > 0)]
    choices = {}
    # peaks() leaves out variants with a single epoch: without a choice there is nothing to correct
    for key, rows in course.merge(peaks(frame)[VARIANT], on=VARIANT).groupby(VARIANT, sort=False):
        table = rows.pivot_table("value", CELL, "epoch")
        choices[key] = choice({QUALITY: table}, lambda means: means[QUALITY].idxmax())
    return choices


def by_cell(models: pandas.DataFrame, metrics: list[str]) -> dict[str, pandas.DataFrame]:
    """Metric -> a row for each CELL and a column for each label, of finished models.

    A metric that compares with no retrained model has the same value with each of them. models:
    rows of the frame.
    """
    each = each_comparison(models, metrics)
    tables = {}
    for metric in metrics:
        rows = each[each["metric"] == metric]
        tables[metric] = rows.pivot_table("value", CELL, "label", sort=False)
    # the rows of a metric that compares with retrained models, if there is one
    cells = max((table.index for table in tables.values()), key=len)
    for metric, table in tables.items():
        if len(table) < len(cells):  # one row for each run: the same beside every retrained model
            runs = table.droplevel("reference")
            tables[metric] = runs.reindex(cells.droplevel("reference")).set_axis(cells)
    return tables


def choice_table(
    id: str, caption: str, metrics: list[str], rows: list[Row], heads: Sequence[Column] = ()
) -> Table:
    """A table of choices, with the naive and the corrected mean of each metric.

    heads: of columns before these.
    """
    columns = list(heads)
    for metric in metrics:
        title = _TITLES[metric]
        columns += [
            Column(f"{metric}-naive", "as chosen", title, explanation="On the data of the choice"),
            Column(f"{metric}-corrected", "corrected", title, explanation="On data left out of it"),
        ]
    columns.append(Column("left_out", "Left out in turn", number=False))
    return Table(id, caption, columns, rows)


def choice_row(label: str, selection: Choice, results, leading: Sequence[Cell] = ()) -> Row:
    """A row of choice_table(). leading: cells of the columns `heads`."""
    cells = list(leading)
    for metric, naive in selection.naive.items():
        for value in (naive, selection.corrected.get(metric)):
            digits = results.metrics[metric].digits
            cells.append(Cell(metric_text(metric, value, digits), value))
    words = selection.left_out or "–"
    return Row(label, [*cells, Cell(words, words)])

"""Section "Weights": gradient weights of forget rows by epoch, and by length of the answer.

A row's gradient weight is the factor by which a loss such as NPO's scales the row's gradient of the
log-probability. The figures show which rows a method still changes at which epoch.
"""

from collections.abc import Mapping

import altair
import numpy
import pandas

from unlearning.benchmarks.tofu.weights import RowWeights
from unlearning.reporting.charts.bands import short
from unlearning.reporting.charts.palette import Style
from unlearning.reporting.charts.specs import Panel, inline_data
from unlearning.reporting.frame import MODEL
from unlearning.reporting.labels import decimal
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Weights"
TABLES = ("weights",)
SHOWN = ("weights",)
FIGURES = {
    "weights": "Gradient weights of the forget rows under NPO and SimNPO, by epoch: median, middle "
    "half and middle 90% of rows and runs.",
    "weights_length": "Gradient weights of the forget rows against the length of the answer, each "
    "row's mean over seeds (of the first draw).",
}
NOTE = "No NPO or SimNPO run has been evaluated yet."
MEASURES = {
    "weight": "Mean",
    "weight_spread": "Spread over rows",
    "weight_length_correlation": "Rank corr. with length",
    "weight_memorisation_correlation": "Rank corr. with memorisation",
}
_QUANTILES = {"lowest": 0.05, "low": 0.25, "median": 0.5, "high": 0.75, "highest": 0.95}
_WHEN = {"start": "#9aa5b1", "early": "#D55E00", "end": "#1f2933"}  # with the colour of each

Epochs = dict[float, list[RowWeights]]


def content(report) -> Content:
    """Panels and a table for each split."""
    # A course has the weights of one run, epoch by epoch.
    courses = report.results.details["weights"]
    lines = []
    for course in courses:
        for weights in course:
            cell, described = weights.cell, weights.describe()
            key = [cell.split, cell.method, cell.variant, weights.label, cell.draw, cell.seed]
            measures = [described.get(measure) for measure in MEASURES]
            lines.append([*key, weights.epoch, *measures])
    csv = pandas.DataFrame(lines, columns=[*MODEL, "epoch", *MEASURES])
    several = len(report.results.splits) > 1  # else the split's name in each title is noise
    tables, by_epoch, by_length = [], [], []
    for split in report.results.splits:
        of_split = [course for course in courses if course[0].cell.split == split]
        variants = by_variant(of_split)
        if variants:
            tables.append(_table(split, variants))
        for label, epochs in variants.items():
            title = f"{split}: {label}" if several else label
            by_epoch.append(Panel(title, _distribution(epochs, report.styles[label]), 150))
            by_length.append(Panel(title, _scatter(epochs), 190))
    note = "" if by_epoch else NOTE
    figures = {
        "weights": Figure(by_epoch, "small", 4, 220, note),
        "weights_length": Figure(by_length, "small", 4, 220, note),
    }
    return Content({"weights": csv}, {"weights": tables}, figures, empty=not courses)


def by_variant(courses: list[list[RowWeights]]) -> dict[str, Epochs]:
    """Label -> epoch -> the seeds' weights; only epochs that every seed reached."""
    runs: dict[str, list[list[RowWeights]]] = {}
    for course in courses:
        runs.setdefault(course[0].label, []).append(course)
    epochs_by_label = {}
    for label, seeds in runs.items():
        epochs: Epochs = {}
        for course in seeds:
            for weights in course:
                epochs.setdefault(weights.epoch, []).append(weights)
        # A mean over the seeds that have not collapsed would not compare with those before.
        complete: Epochs = {}
        for epoch, of_seeds in epochs.items():
            if len(of_seeds) == len(seeds):
                complete[epoch] = of_seeds
        epochs_by_label[label] = complete
    return epochs_by_label


def moments(epochs: Epochs) -> dict[str, tuple[float, list[RowWeights]]]:
    """The epochs `start`, `early` (the first evaluated after it) and `end`, as far as there are
    so many."""
    ordered = sorted(epochs.items())
    states = {"start": ordered[0]}
    if len(ordered) > 2:
        states["early"] = ordered[1]
    if len(ordered) > 1:
        states["end"] = ordered[-1]
    return states


def _table(split: str, variants: Mapping[str, Epochs]) -> Table:
    """Means over seeds of the measures, for each variant at each of its moments."""
    rows = []
    for label, epochs in variants.items():
        for epoch, seeds in moments(epochs).values():
            # Each draw counts once, as in all tables. Of equal weights there is no correlation:
            # means are of the runs that have one.
            described = pandas.DataFrame([weights.describe() for weights in seeds])
            described = described.groupby([weights.cell.draw for weights in seeds]).mean().mean()
            cells = [Cell(f"{epoch:g}", epoch)]
            for measure in MEASURES:
                value = described.get(measure)
                has_value = value is not None and not numpy.isnan(value)
                cells.append(Cell(decimal(value), value) if has_value else Cell())
            rows.append(Row(label, cells))
    heads = [Column("epoch", "Epoch"), *(Column(k, title) for k, title in MEASURES.items())]
    return Table(f"weights-{split}", f"Gradient weights on {split}", heads, rows)


def _distribution(epochs: Epochs, style: Style):
    """Median and bands of the weights over the epochs; rows of all seeds are pooled."""
    data = []
    for epoch, seeds in sorted(epochs.items()):
        # Quantiles of all rows of all runs: bands show rows, not the seeds' means.
        pooled = numpy.concatenate([weights.values for weights in seeds])
        cut = {name: short(numpy.quantile(pooled, q)) for name, q in _QUANTILES.items()}
        data.append({"epoch": epoch, **cut})
    base = altair.Chart(inline_data(data)).encode(
        x=altair.X("epoch:Q", title=None, axis=altair.Axis(tickMinStep=1, tickCount=5))
    )
    y = altair.Y("lowest:Q", title=None, axis=altair.Axis(tickCount=4))
    middle = altair.Y("median:Q")
    tooltip = [altair.Tooltip(f"{n}:Q", format=".3~g") for n in ("epoch", *_QUANTILES)]
    return altair.layer(
        base.mark_area(color=style.colour, opacity=0.15).encode(y=y, y2="highest:Q"),
        base.mark_area(color=style.colour, opacity=0.3).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=style.colour, strokeWidth=2).encode(y=middle),
        base.mark_point(color=style.colour, filled=True).encode(y=middle, tooltip=tooltip),
    )


def _scatter(epochs: Epochs):
    """Each row's mean weight over its answer's length, in a colour for each moment."""
    data, colours = [], {}
    for when, (epoch, runs) in moments(epochs).items():
        # Row k is the same question in all runs of a draw, but not in another draw.
        seeds = [weights for weights in runs if weights.cell.draw == runs[0].cell.draw]
        colours[f"{epoch:g}"] = _WHEN[when]
        mean = numpy.mean([weights.values for weights in seeds], axis=0)
        for tokens, value in zip(seeds[0].tokens.tolist(), mean, strict=True):
            data.append({"tokens": tokens, "weight": short(value), "when": f"{epoch:g}"})
    scale = altair.Scale(domain=list(colours), range=list(colours.values()))
    tooltip = [altair.Tooltip("when:N", title="Epoch"), "tokens:Q"]
    tooltip.append(altair.Tooltip("weight:Q", format=".3~g"))
    chart = altair.Chart(inline_data(data)).mark_point(size=20, opacity=0.55)
    return chart.encode(
        x=altair.X("tokens:Q", title="Tokens of the answer", scale=altair.Scale(zero=False)),
        y=altair.Y("weight:Q", title=None, axis=altair.Axis(tickCount=4)),
        color=altair.Color("when:N", scale=scale, legend=altair.Legend(title="Epoch")),
        tooltip=tooltip,
    )

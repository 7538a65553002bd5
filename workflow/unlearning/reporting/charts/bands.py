"""Curves by step: means over seeds or draws with bands, and fits of a line and a logarithm."""

import altair
import numpy
import pandas

from unlearning.analysis.growth import fit_growth
from unlearning.reporting.charts.palette import Style, channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data
from unlearning.reporting.frame import RUN, units

_FITS = {"linear fit": [2, 3], "log fit": [8, 4]}  # with the dashes of each
MOST_POINTS = 120  # of a curve on the page; longer ones are thinned evenly


def bands(curves: pandas.DataFrame, floor: float = 0.0) -> list[dict]:
    """Marks of one curve: the mean of each label at each step, with low and high, one sample
    standard deviation away (the mean itself for one seed), low not below `floor`.

    curves: rows of the frame, of one metric. Steps are those of the run that went furthest; a seed
    that ended early counts as far as it came.
    """
    marks = []
    for label, rows in curves.groupby("label", sort=False):
        # steps of one run, because seeds that collapsed were evaluated at steps of their own
        furthest = rows.loc[rows["step"].idxmax(), RUN]
        steps = rows.loc[(rows[RUN] == furthest).all(axis="columns"), "step"]
        steps = steps.sort_values().to_numpy()
        thinned = numpy.unique(numpy.linspace(0, len(steps) - 1, MOST_POINTS).round().astype(int))
        at = units(rows[rows["step"].isin(steps[thinned])], ["step"]).groupby("step")["value"]
        for step, mean, sd in zip(at.mean().index, at.mean(), at.std().fillna(0.0), strict=True):
            low, high = max(mean - sd, floor), mean + sd
            mark = {"label": label, "step": step, "value": short(mean)}
            marks.append(mark | {"low": short(low), "high": short(high)})
    return marks


def short(value: float) -> float:
    """Four digits: enough to draw."""
    return float(f"{value:.4g}")


def curve_chart(
    marks: list[dict],
    y_title: str,
    styles: dict[str, Style],
    log: bool = False,
    title: str = "Gradient steps",
):
    """Means with their bands."""
    scale = altair.Scale(type="log") if log else altair.Scale(zero=True)
    if log:  # a band that reaches 0 has no place on this axis
        marks = [mark for mark in marks if mark["value"] > 0]
        lowest = min(mark["value"] for mark in marks) / 2
        marks = [{**mark, "low": max(mark["low"], lowest)} for mark in marks]
    look = channels(styles, marks)
    base = altair.Chart(inline_data(marks))
    x = altair.X("step:Q", title=title)
    band = base.mark_area().encode(
        x=x,
        y=altair.Y("low:Q", title=y_title, scale=scale),
        y2="high:Q",
        color=look["color"],
        opacity=emphasis(0.15, 0.03),
    )
    tooltip = ["label:N", "step:Q", altair.Tooltip("value:Q", title=y_title, format=".4~g")]
    line = base.mark_line(strokeWidth=2).encode(
        x=x,
        y=altair.Y("value:Q", title=y_title, scale=scale),
        tooltip=tooltip,
        opacity=emphasis(0.95, 0.1),
        **look,
    )
    return altair.layer(band, line)


def fitted_panel(
    title: str, curves: pandas.DataFrame, y_title: str, styles: dict[str, Style]
) -> Panel:
    """A variant's curve, and a linear and a logarithmic fit to its mean over seeds or draws."""
    axis = "Gradient steps (dots: linear fit, dashes: logarithmic)"
    layers = [curve_chart(bands(curves), y_title, styles, title=axis)]
    for name, marks in fits(curves).items():
        fit = altair.Chart(inline_data(marks)).mark_line(
            color="#1f2933", strokeWidth=1.2, strokeDash=_FITS[name]
        )
        layers.append(fit.encode(x="step:Q", y="value:Q"))
    return Panel(title, altair.layer(*layers), 200)


def fits(curves: pandas.DataFrame) -> dict[str, list[dict]]:
    """Name of a fit -> its marks: both to the mean curve over seeds or draws; none where it is
    short or never changes."""
    mean = units(curves, ["step"]).groupby("step")["value"].mean().sort_index()
    # two parameters fit two points exactly, and R² of a constant is 0 / 0
    if len(mean) < 3 or mean.min() == mean.max():
        return {}
    growth = fit_growth(mean.index.tolist(), mean.tolist())
    start, slope = growth.linear
    scale, rate = growth.logarithmic
    steps = numpy.linspace(0, mean.index[-1], 60)
    lines = {"linear fit": start + slope * steps, "log fit": scale * numpy.log1p(rate * steps)}
    marks = {}
    for name, values in lines.items():
        table = pandas.DataFrame({"fit": name, "step": steps, "value": [*map(short, values)]})
        marks[name] = table.to_dict("records")
    return marks

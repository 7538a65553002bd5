"""Curves by step: means over seeds with bands, and the fits that tell a line from a logarithm."""

from collections.abc import Sequence
from typing import Protocol

import altair
import numpy

from unlearning.analysis.growth import fit_growth
from unlearning.reporting.charts import Panel, emphasis, inline_data
from unlearning.reporting.palette import Style, channels

_FITS = {"linear fit": [2, 3], "log fit": [8, 4]}  # with the dashes of each
MOST_POINTS = 120  # of a curve on the page; longer ones are thinned evenly


class Run(Protocol):
    """A seed of a variant. curves: "step" and what is measured there, lists of one length."""

    @property
    def label(self) -> str:
        """Equal for the seeds of a variant."""

    @property
    def curves(self) -> dict[str, list[float]]:
        """By name."""


def marks(runs: Sequence[Run], curves: list[str], floor: float = 0.0) -> list[dict]:
    """The variant's mean of each curve at each step, with low and high, one sample standard
    deviation away (the mean itself for one seed), low not below `floor`.

    Steps are those of the run that went furthest; a seed that ended early counts as far as it came.
    """
    found = []
    steps = longest(runs)
    places = numpy.unique(numpy.linspace(0, len(steps) - 1, MOST_POINTS).round().astype(int))
    seeds = {curve: by_step(runs, curve) for curve in curves}
    for place in places.tolist():
        mark: dict = {"label": runs[0].label, "step": steps[place]}
        for curve in curves:
            values = seeds[curve][steps[place]]
            sd = numpy.std(values, ddof=1) if len(values) > 1 else 0.0
            mean = float(numpy.mean(values))
            mark |= {curve: short(mean), f"{curve}_low": short(max(mean - sd, floor))}
            mark[f"{curve}_high"] = short(mean + sd)
        found.append(mark)
    return found


def longest(runs: Sequence[Run]) -> list[float]:
    """The steps of the run that went furthest."""
    return max((run.curves["step"] for run in runs), key=lambda steps: steps[-1])


def by_step(runs: Sequence[Run], curve: str) -> dict[float, list[float]]:
    """Step -> the curve's values there, of the runs that were measured at it."""
    found: dict[float, list[float]] = {}
    for run in runs:
        for step, value in zip(run.curves["step"], run.curves[curve], strict=True):
            found.setdefault(step, []).append(value)
    return found


def short(value: float) -> float:
    """Four digits: enough to draw."""
    return float(f"{value:.4g}")


def curve_chart(
    data: list[dict],
    curve: str,
    y_title: str,
    styles: dict[str, Style],
    legend: bool,
    log: bool = False,
    title: str = "Gradient steps",
):
    """Means with their bands, of `marks`."""
    scale = altair.Scale(type="log") if log else altair.Scale(zero=True)
    if log:  # a band that reaches 0 has no place on this axis
        lowest = min(mark[curve] for mark in data if mark[curve] > 0) / 2
        data = [{**m, f"{curve}_low": max(m[f"{curve}_low"], lowest)} for m in data if m[curve] > 0]
    look = channels(styles, legend)
    base = altair.Chart(inline_data(data))
    x = altair.X("step:Q", title=title)
    band = base.mark_area().encode(
        x=x,
        y=altair.Y(f"{curve}_low:Q", title=y_title, scale=scale),
        y2=f"{curve}_high:Q",
        color=look["color"],
        opacity=emphasis(0.15, 0.03),
    )
    tooltip = ["label:N", "step:Q", altair.Tooltip(f"{curve}:Q", format=".4~g")]
    line = base.mark_line(strokeWidth=2).encode(
        x=x,
        y=altair.Y(f"{curve}:Q", title=y_title, scale=scale),
        tooltip=tooltip,
        opacity=emphasis(0.95, 0.1),
        **look,
    )
    return altair.layer(band, line)


def fitted_panel(
    title: str, runs: Sequence[Run], y_title: str, styles: dict[str, Style], legend: bool
) -> Panel:
    """A variant's curve `drift`, and a linear and a logarithmic fit to its mean over seeds."""
    own = {runs[0].label: styles[runs[0].label]}
    axis = "Gradient steps" + (" (dots: linear fit, dashes: logarithmic)" if legend else "")
    chart = curve_chart(marks(runs, ["drift"]), "drift", y_title, own, False, title=axis)
    lines = fits(runs)
    layers = [
        altair.Chart(inline_data([line for line in lines if line["fit"] == name]))
        .mark_line(color="#1f2933", strokeWidth=1.2, strokeDash=dash)
        .encode(x="step:Q", y="drift:Q")
        for name, dash in _FITS.items()
        if lines
    ]
    return Panel(title, altair.layer(chart, *layers), 200)


def fits(runs: Sequence[Run]) -> list[dict]:
    """Both fits to the mean curve over seeds; none where it is too short or never changes."""
    steps, seeds = longest(runs), by_step(runs, "drift")
    mean = [float(numpy.mean(seeds[step])) for step in steps]
    if len(steps) < 3 or min(mean) == max(mean):
        return []
    growth = fit_growth(steps, mean)
    start, slope = growth.linear
    scale, rate = growth.logarithmic
    shown = numpy.linspace(0, steps[-1], 60)
    lines = {
        "linear fit": start + slope * shown,
        "log fit": scale * numpy.log1p(rate * shown),
    }
    return [
        {"fit": name, "step": step, "drift": short(value)}
        for name, values in lines.items()
        for step, value in zip(shown.tolist(), values.tolist(), strict=True)
    ]

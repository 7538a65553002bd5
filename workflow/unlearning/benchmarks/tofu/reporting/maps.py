"""Figures of grids and of peaks: FQ and MU over hyper-parameters, and by epoch in their plane."""

import itertools

import altair

from unlearning.benchmarks.tofu.reporting.curves import shown_styles
from unlearning.benchmarks.tofu.reporting.grids import Grid, GridPoint, grids
from unlearning.benchmarks.tofu.reporting.peaks import peaks
from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.benchmarks.tofu.reporting.scatter import record
from unlearning.reporting.charts import Panel, emphasis, inline_data, log_fq_axis, threshold
from unlearning.reporting.labels import compact, p_value
from unlearning.reporting.palette import Style, channels
from unlearning.reporting.statistics import mean_metrics

TITLES = {
    "beta": "β",
    "gamma": "γ",
    "forget_coeff": "forget coefficient",
    "retain_coeff": "retain weight",
    "lr": "learning rate",
}
_INK = "#1f2933"


def grid_panels(split: SplitResults, styles: dict[str, Style]) -> list[Panel]:
    """One hyper-parameter: FQ and MU over it. More: heat maps over the first two, a pair for each
    value of the others."""
    panels = []
    for grid in grids(split):
        colour = styles[grid.points[0].label].colour
        panels += _over_one(grid, colour) if len(grid.axes) == 1 else _heat_maps(grid)
    return panels


def _over_one(grid: Grid, colour: str) -> list[Panel]:
    name = TITLES.get(grid.axes[0], grid.axes[0])
    seeds = [_mark(p, m.metrics, str(m.seed)) for p in grid.points for m in p.models]
    means = [_mark(p, _mean(p), f"mean of {len(p.models)}") for p in grid.points]
    x = altair.X("first:Q", title=name)
    quality = log_fq_axis([mark["log10_fq"] for mark in seeds])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1]))

    def chart(y, *below):
        mean = altair.Chart(inline_data(means))
        each = altair.Chart(inline_data(seeds)).mark_point(size=34, filled=True)
        return altair.layer(
            *below,
            each.encode(x=x, y=y, color=altair.value(colour), opacity=altair.value(0.4)),
            mean.mark_line(strokeWidth=2.2, color=colour).encode(x=x, y=y),
            mean.mark_point(size=90, filled=True, color=colour).encode(
                x=x, y=y, tooltip=["label:N", "seed:N", "fq_text:N", _number("mu")]
            ),
        )

    heading = f"{grid.split}, {grid.method}"
    return [
        Panel(f"{heading}: forget quality over {name}", chart(quality, threshold())),
        Panel(f"{heading}: model utility over {name}", chart(utility)),
    ]


def _heat_maps(grid: Grid) -> list[Panel]:
    others = grid.axes[2:]
    marks = [
        _mark(p, _mean(p), f"mean of {len(p.models)}") | {"chosen": p.label == grid.chosen}
        for p in grid.points
    ]
    panels = []
    rest = sorted({point.values[2:] for point in grid.points})
    for values, (field, title) in itertools.product(
        rest, (("log10_fq", "log10 forget quality"), ("mu", "model utility"))
    ):
        places = [i for i, point in enumerate(grid.points) if point.values[2:] == values]
        where = [f"{TITLES.get(k, k)} {compact(v)}" for k, v in zip(others, values, strict=True)]
        heading = ", ".join([grid.split, grid.method, *where])
        chart = _heat_map([marks[i] for i in places], grid.axes, field, title, marks)
        panels.append(Panel(f"{heading}: {title}", chart, height=230))
    return panels


def _heat_map(shown: list[dict], axes: tuple[str, ...], field: str, title: str, all_marks):
    """One scale for all maps of a grid, so that their colours compare."""
    domain = [min(m[field] for m in all_marks), max(m[field] for m in all_marks)]
    x, y = (
        kind(
            f"{place}:O",
            title=TITLES.get(axis, axis),
            sort="ascending",
            axis=altair.Axis(labelAngle=0),
        )
        for kind, place, axis in ((altair.X, "first", axes[0]), (altair.Y, "second", axes[1]))
    )
    base = altair.Chart(inline_data(shown)).encode(x=x, y=y)
    middle = domain[0] + 0.6 * (domain[1] - domain[0])
    dark = {"test": f"datum.{field} < {middle}", "value": "white"}
    return altair.layer(
        base.mark_rect().encode(
            color=altair.Color(
                f"{field}:Q",
                title=title,
                scale=altair.Scale(domain=domain, scheme="viridis"),
                legend=None,
            ),
            tooltip=["label:N", "seed:N", "fq_text:N", _number("log10_fq"), _number("mu")],
        ),
        base.transform_filter("datum.chosen").mark_rect(filled=False, stroke=_INK, strokeWidth=4),
        base.mark_text(fontSize=12).encode(
            text=altair.Text(f"{field}:Q", format=".2f"),
            color=altair.ColorValue(_INK, condition=dark),
        ),
    )


def _number(field: str) -> altair.Tooltip:
    return altair.Tooltip(f"{field}:Q", format=".3f")


def _mean(point: GridPoint) -> dict[str, float]:
    return mean_metrics([model.metrics for model in point.models])


def _mark(point: GridPoint, metrics: dict[str, float], seed: str) -> dict:
    first, second = (*point.values, 0)[:2]
    return {
        "label": point.label,
        "seed": seed,
        "first": first,
        "second": second,
        "log10_fq": metrics["log10_forget_quality"],
        "mu": metrics["model_utility"],
        "fq_text": p_value(10 ** metrics["log10_forget_quality"]),
    }


def peak_panel(split: SplitResults, styles: dict[str, Style], legend: bool = False) -> list[Panel]:
    """Means at the epoch of peak FQ (open) and at the last one (filled), joined; empty without
    evaluations on the way."""
    found = peaks(split)
    marks = []
    for peak in found:
        for last, epoch, states in ((0, peak.epoch, peak.at_peak), (1, peak.last, peak.at_last)):
            mean = mean_metrics([*states.values()])
            mark = record(peak.label, f"mean of {len(states)}", mean)
            if mark is not None:
                marks.append(mark | {"epoch": epoch, "last": bool(last)})
    if not marks:
        return []
    y = log_fq_axis([mark["log10_fq"] for mark in marks])
    x = altair.X("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1]))
    look = channels(shown_styles(styles, found), legend, shape=True)
    base = altair.Chart(inline_data(marks)).encode(x=x, y=y, color=look["color"], detail="label:N")
    size = altair.SizeValue(70, condition={"test": "datum.last", "value": 150})
    tooltip = ["label:N", "seed:N", "epoch:Q", "fq_text:N", _number("log10_fq"), _number("mu")]
    points = {"shape": look["shape"], "size": size, "tooltip": tooltip}
    layers = [
        threshold(),
        base.mark_line(strokeWidth=1.2).encode(order="epoch:Q", opacity=emphasis(0.6, 0.1)),
        base.mark_point(filled=False, strokeWidth=2).encode(opacity=emphasis(1, 0.1), **points),
        base.transform_filter("datum.last")
        .mark_point(filled=True)
        .encode(opacity=emphasis(1, 0.1), **points),
    ]
    return [Panel(split.split, altair.layer(*layers), height=360)]

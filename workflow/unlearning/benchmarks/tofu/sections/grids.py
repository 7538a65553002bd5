"""Forget quality and utility over the hyper-parameters of a method's grid."""

import itertools

import altair
import pandas

from unlearning.benchmarks.tofu.sections.marks import marks
from unlearning.reporting.charts.specs import Panel, inline_data, log_fq_axis, threshold
from unlearning.reporting.frame import RUN, finals
from unlearning.reporting.grids import RULE, Grid, best, grids
from unlearning.reporting.labels import compact
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.selection import by_cell, choice, choice_row, choice_table

TITLE = "Grids"
TABLES = ("grids",)
SHOWN = ("tuned",)
FIGURES = {
    "grids": "Forget quality and model utility over the hyper-parameters of each grid; in heat "
    "maps the frame marks the variant that the report's rule chooses."
}
NOTE = "No method has a grid: give one of its hyper-parameters a list of values."
TITLES = {
    "beta": "β",
    "gamma": "γ",
    "forget_coeff": "forget coefficient",
    "retain_coeff": "retain weight",
    "lr": "learning rate",
}
UTILITY = "model_utility"
_INK = "#1f2933"


def content(report) -> Content:
    """One hyper-parameter: FQ and MU over it. More: heat maps over the first two, a pair for each
    value of the others."""
    models = finals(report.frame)
    panels, lines, rows_of_choices = [], [], []
    for split in report.results.splits:
        here = models[models["split"] == split]
        frame = report.frame[report.frame["split"] == split]
        for grid in grids(report.results, split, here):
            names = [variant.label for variant in grid.variants]
            rows = here[here["label"].isin(names)]
            one = len(grid.axes) == 1
            panels += _over_one(report, grid, rows) if one else _heat_maps(grid, rows)
            picked = choice(by_cell(frame[frame["label"].isin(names)], [QUALITY, UTILITY]), best)
            numbers = [picked.naive.get(key) for key in (QUALITY, UTILITY)]
            numbers += [picked.corrected.get(key) for key in (QUALITY, UTILITY)]
            line = [split, grid.method, " ".join(grid.axes), len(names), grid.tuned]
            lines.append([*line, *numbers, picked.left_out])
            rows_of_choices.append(choice_row(f"{split}, {grid.tuned}", picked, report.results))
    header = ["split", "method", "axes", "variants", "chosen", "naive_log10_fq", "naive_utility"]
    header += ["corrected_log10_fq", "corrected_utility", "left_out"]
    table = pandas.DataFrame(lines, columns=header)
    shown = choice_table("tuned", "Chosen by the rule", [QUALITY, UTILITY], rows_of_choices)
    figure = Figure(panels, note="" if panels else NOTE)
    return Content(
        {"grids": table},
        {"tuned": [shown] if panels else []},
        {"grids": figure},
        words={"rule": RULE},
        empty=not panels,
    )


def _placed(grid: Grid, found: list[dict]) -> list[dict]:
    """Marks with the values of the grid's axes."""
    values = {v.label: [v.stated[axis] for axis in grid.axes] for v in grid.variants}
    return [
        mark | {f"axis{place}": value for place, value in enumerate(values[mark["label"]])}
        for mark in found
    ]


def _over_one(report, grid: Grid, rows) -> list[Panel]:
    name = TITLES.get(grid.axes[0], grid.axes[0])
    colour = report.styles[grid.variants[0].label].colour
    seeds = _placed(grid, marks(rows, RUN, ["log10_fq", "mu"]))
    means = _placed(grid, marks(rows, [], ["log10_fq", "mu"]))
    x = altair.X("axis0:Q", title=name)
    quality = log_fq_axis([mark["log10_fq"] for mark in seeds])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(zero=True))

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


def _heat_maps(grid: Grid, rows) -> list[Panel]:
    found = _placed(grid, marks(rows, [], ["log10_fq", "mu"]))
    found = [mark | {"chosen": mark["label"] == grid.tuned} for mark in found]
    others = [f"axis{place}" for place in range(2, len(grid.axes))]
    fields = (("log10_fq", "log10 forget quality"), ("mu", "model utility"))
    panels = []
    rest = sorted({tuple(mark[name] for name in others) for mark in found})
    for values, (field, title) in itertools.product(rest, fields):
        here = [mark for mark in found if tuple(mark[name] for name in others) == values]
        names = [TITLES.get(axis, axis) for axis in grid.axes[2:]]
        fixed = [f"{name} {compact(value)}" for name, value in zip(names, values, strict=True)]
        heading = ", ".join([grid.split, grid.method, *fixed])
        chart = _heat_map(here, grid.axes, field, title, found)
        panels.append(Panel(f"{heading}: {title}", chart, height=230))
    return panels


def _heat_map(here: list[dict], axes: tuple[str, ...], field: str, title: str, all_marks):
    """One scale for all maps of a grid, so that their colours compare."""
    domain = [min(m[field] for m in all_marks), max(m[field] for m in all_marks)]
    x, y = (
        kind(
            f"axis{place}:O",
            title=TITLES.get(axis, axis),
            sort="ascending",
            axis=altair.Axis(labelAngle=0),
        )
        for kind, place, axis in ((altair.X, 0, axes[0]), (altair.Y, 1, axes[1]))
    )
    base = altair.Chart(inline_data(here)).encode(x=x, y=y)
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

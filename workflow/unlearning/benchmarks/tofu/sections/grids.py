"""Section "Grids": forget quality and utility over the hyper-parameters of a method's grid."""

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
HEADER = [
    *("split", "method", "axes", "variants", "chosen", "naive_log10_fq", "naive_utility"),
    *("corrected_log10_fq", "corrected_utility", "left_out"),
]
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
    """Figures and tables of all grids.

    A grid of one hyper-parameter is drawn as lines of FQ and MU over it. One of several is drawn as
    heat maps over the first two, a pair (FQ and MU) for each combination of the others.
    """
    models = finals(report.frame)
    panels, lines, rows_of_choices = [], [], []
    for split in report.results.splits:
        models_of_split = models[models["split"] == split]
        frame = report.frame[report.frame["split"] == split]
        for grid in grids(report.results, split, models_of_split):
            names = [variant.label for variant in grid.variants]
            rows = models_of_split[models_of_split["label"].isin(names)]
            if len(grid.axes) == 1:
                panels += _over_one(report, grid, rows)
            else:
                panels += _heat_maps(grid, rows)
            # The variant that the rule chooses looks better than it is: it was chosen by these
            # numbers, so a corrected number stands beside each.
            values = by_cell(frame[frame["label"].isin(names)], [QUALITY, UTILITY])
            selection = choice(values, best)
            line = [split, grid.method, " ".join(grid.axes), len(names), grid.tuned]
            for means in (selection.naive, selection.corrected):
                line += [means.get(QUALITY), means.get(UTILITY)]
            lines.append([*line, selection.left_out])
            row_label = f"{split}, {grid.tuned}"
            rows_of_choices.append(choice_row(row_label, selection, report.results))
    table = pandas.DataFrame(lines, columns=HEADER)
    tuned = choice_table("tuned", "Chosen by the rule", [QUALITY, UTILITY], rows_of_choices)
    figure = Figure(panels, note="" if panels else NOTE)
    return Content(
        {"grids": table},
        {"tuned": [tuned] if panels else []},
        {"grids": figure},
        words={"rule": RULE},
        empty=not panels,
    )


def _marks(grid: Grid, rows: pandas.DataFrame, by: list[str]) -> list[dict]:
    """Marks of a chart, with the values of the grid's axes as fields axis0, axis1, …

    by: RUN for a mark of each run, empty for means alone.
    """
    # Numbered fields: the charts need not know the names of hyper-parameters.
    hyper = {variant.label: variant.hyper for variant in grid.variants}
    points = marks(rows, by, ["log10_fq", "mu"])
    for mark in points:
        for number, axis in enumerate(grid.axes):
            mark[f"axis{number}"] = hyper[mark["label"]][axis]
    return points


def _over_one(report, grid: Grid, rows) -> list[Panel]:
    """Panels of FQ and MU over the only axis of a grid: a line of means and a dot for each run."""
    name = TITLES.get(grid.axes[0], grid.axes[0])
    colour = report.styles[grid.variants[0].label].colour  # one for all: the axis tells them apart
    seeds, means = _marks(grid, rows, RUN), _marks(grid, rows, [])
    x = altair.X("axis0:Q", title=name)
    quality = log_fq_axis([mark["log10_fq"] for mark in seeds])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(zero=True))

    def chart(y, *below):
        """Dots and means of one metric above the layers `below`."""
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
    """Panels of FQ and MU over the first two axes of a grid."""
    means = _marks(grid, rows, [])
    fields = (("log10_fq", "log10 forget quality"), ("mu", "model utility"))
    # A pair of maps for each combination of the axes beyond the first two.
    maps: dict[tuple, list[dict]] = {}
    for mark in means:
        mark["chosen"] = mark["label"] == grid.tuned
        values = tuple(mark[f"axis{n}"] for n in range(2, len(grid.axes)))
        maps.setdefault(values, []).append(mark)
    panels = []
    for values, (field, title) in itertools.product(sorted(maps), fields):
        names = [TITLES.get(axis, axis) for axis in grid.axes[2:]]
        fixed = [f"{name} {compact(value)}" for name, value in zip(names, values, strict=True)]
        heading = ", ".join([grid.split, grid.method, *fixed])
        chart = _heat_map(maps[values], grid.axes, field, title, means)
        panels.append(Panel(f"{heading}: {title}", chart, height=230))
    return panels


def _heat_map(
    marks: list[dict], axes: tuple[str, ...], field: str, title: str, all_marks: list[dict]
):
    """A heat map of one metric over two axes, with the numbers in it.

    marks: of this map. all_marks: of all maps of the grid, which share a colour scale so that they
    can be compared.
    """
    numbers = [mark[field] for mark in all_marks]
    domain = [min(numbers), max(numbers)]
    guide = altair.Axis(labelAngle=0)
    names = [TITLES.get(axis, axis) for axis in axes]
    x = altair.X("axis0:O", title=names[0], sort="ascending", axis=guide)
    y = altair.Y("axis1:O", title=names[1], sort="ascending", axis=guide)
    base = altair.Chart(inline_data(marks)).encode(x=x, y=y)
    # viridis is dark at its lower end, where a number is legible in white.
    brightness_limit = domain[0] + 0.6 * (domain[1] - domain[0])
    on_dark = {"test": f"datum.{field} < {brightness_limit}", "value": "white"}
    scale = altair.Scale(domain=domain, scheme="viridis")
    colour = altair.Color(f"{field}:Q", title=title, scale=scale, legend=None)
    tooltip = ["label:N", "seed:N", "fq_text:N", _number("log10_fq"), _number("mu")]
    return altair.layer(
        base.mark_rect().encode(color=colour, tooltip=tooltip),
        base.transform_filter("datum.chosen").mark_rect(filled=False, stroke=_INK, strokeWidth=4),
        base.mark_text(fontSize=12).encode(
            text=altair.Text(f"{field}:Q", format=".2f"),
            color=altair.ColorValue(_INK, condition=on_dark),
        ),
    )


def _number(field: str) -> altair.Tooltip:
    """A number in a tooltip, with three decimals."""
    return altair.Tooltip(f"{field}:Q", format=".3f")

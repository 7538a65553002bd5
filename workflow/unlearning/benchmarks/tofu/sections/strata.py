"""Section "Strata": forget quality of halves of the forget set, by length and memorisation."""

import altair

from unlearning.benchmarks.tofu.strata import LENGTH, MEMORISATION, PAIRS
from unlearning.reporting.charts.palette import Style, channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data, log_fq_axis, threshold
from unlearning.reporting.frame import VARIANT, average, finals, units
from unlearning.reporting.labels import p_value, run_titles
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.sections.results import metric_table

TITLE = "Strata"
TABLES = ("strata",)
SHOWN = ("strata",)
FIGURES = {
    "strata": "Forget quality (log10 of the KS p-value) of short and long answers, and of weakly "
    "and strongly memorised rows."
}
NOTE = "All forget rows are alike in length and in memorisation: there are no strata."
ROW_HEIGHT = 26
HEADS = {LENGTH: "short ○ and long ● answers", MEMORISATION: "weakly ○ and strongly ● memorised"}


def content(report) -> Content:
    """A panel for each split and pair of strata, and the numbers."""
    models = finals(report.frame)
    # A metric of a stratum is named METRIC@STRATUM.
    parts = models[models["metric"].str.contains("@")]
    table = average(parts, VARIANT)
    table[["metric", "stratum"]] = table["metric"].str.extract("(.*)@(.*)")
    sizes = report.results.details["strata"]
    pairs = zip(table["split"], table["stratum"], strict=True)
    table["rows"] = [sizes[split].get(stratum) for split, stratum in pairs]
    tables, panels = [], []
    for split in report.results.splits:
        split_parts = parts[parts["split"] == split]
        keys: list[str] = []
        for pair in PAIRS:
            if pair[0] not in sizes[split]:  # rows that are all alike have no halves
                continue
            panels.append(_panel(report, split, split_parts, pair))
            for name in pair:
                keys += [f"forget_quality@{name}", f"{QUALITY}@{name}"]
        if keys:
            caption = f"Strata of {split}"
            tables.append(metric_table(report, f"strata-{split}", caption, split_parts, keys))
    figure = Figure(panels, note="" if panels else NOTE)
    return Content(
        {"strata": table},
        {"strata": tables},
        {"strata": figure},
        words={"sizes": {f"Strata of {split}": rows for split, rows in sizes.items()}},
        empty=not panels,
    )


def _panel(report, split: str, rows, pair: tuple[str, str]) -> Panel:
    """log10 FQ of both halves, a line for each variant."""
    marks = []
    for stratum in pair:
        tested = rows[rows["metric"] == f"{QUALITY}@{stratum}"]
        for label, seeds in tested.groupby("label", sort=False):
            values = list(zip(run_titles(seeds), seeds["value"], strict=True))
            # as in the table: a draw with more seeds than others counts once
            values.append(("mean", units(seeds, ["label"])["value"].mean()))
            for seed, value in values:
                mark = {"label": label, "seed": seed, "stratum": stratum}
                marks.append(mark | {"log10_fq": value, "fq_text": p_value(10**value)})
    labels = {mark["label"] for mark in marks}
    height = ROW_HEIGHT * len(labels) + 20
    return Panel(f"{split}: {HEADS[pair]}", _chart(marks, pair, report.styles), height)


def _chart(marks: list[dict], pair: tuple[str, str], styles: dict[str, Style]):
    """Variants one below another: hollow marks for the first half, filled ones for the second,
    large for means, small for runs, and a line between the means."""
    x = log_fq_axis([mark["log10_fq"] for mark in marks], altair.X)
    axis = altair.Axis(labelLimit=240, grid=True)
    y = altair.Y("label:N", sort=list(styles), title=None, axis=axis)
    colour = channels(styles, marks)["color"]
    colour.legend = None  # the axis names them
    means = [mark for mark in marks if mark["seed"] == "mean"]
    between = altair.Chart(inline_data(means)).mark_line(strokeWidth=2)
    # Once a label is chosen on the page, the marks of the others fade.
    layers = [
        threshold(altair.X).encode(x=x),
        between.encode(x=x, y=y, color=colour, opacity=emphasis(0.6, 0.1)),
    ]
    runs = [mark for mark in marks if mark["seed"] != "mean"]
    small, large = {"size": 22, "strokeWidth": 1}, {"size": 110, "strokeWidth": 2}
    # means above runs, and of both the second half above the first
    for drawn, size, opacity in (
        (runs, small, emphasis(0.4, 0.05, 0.8)),
        (means, large, emphasis(1, 0.12)),
    ):
        for stratum in pair:
            dots = inline_data([mark for mark in drawn if mark["stratum"] == stratum])
            points = altair.Chart(dots).mark_point(filled=stratum == pair[1], **size)
            layers.append(points.encode(x=x, y=y, color=colour, opacity=opacity, tooltip=_TOOLTIP))
    return altair.layer(*layers)


_TOOLTIP = [
    altair.Tooltip("label:N", title="Model"),
    altair.Tooltip("seed:N", title="Seed"),
    altair.Tooltip("stratum:N", title="Stratum"),
    altair.Tooltip("fq_text:N", title="Forget quality"),
    altair.Tooltip("log10_fq:Q", title="log10 FQ", format=".2f"),
]

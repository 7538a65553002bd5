"""Scalability and sustainability: larger forget sets, and one request after the other."""

import altair
import pandas

from unlearning.benchmarks.muse.files import FORGET
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data
from unlearning.reporting.frame import RUN, finals, units
from unlearning.reporting.labels import NAMES, RETRAIN, TARGET
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.sections.results import metric_row
from unlearning.reporting.tables import Cell, Column, Table, columns, counts

TITLE = "Folds"
SHOWN = ("scalability", "sustainability")
FIGURES = {
    "scalability": "MUSE's metrics over the size of the forget set, one to four folds in one run.",
    "sustainability": "MUSE's metrics over requests to forget, each a fold, one after the other.",
}
NOTE = (
    "No run on further folds: set folds.splits, folds.methods and folds.seeds. MUSE-Books has none."
)
SHOWN_METRICS = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")
# figure -> prefix of its splits, title, and what its folds are counted in
KINDS = {
    "scalability": ("scal", "Scalability", "Folds"),
    "sustainability": ("sust", "Sustainability", "Requests"),
}


def content(report) -> Content:
    """Empty without a run on further folds."""
    tables, figures = {}, {}
    for name, (prefix, title, axis) in KINDS.items():
        rows = folds(finals(report.frame), prefix)
        present = set(rows["metric"])
        keys = [key for key in METRICS if key in present]
        lines = [
            metric_row(report, own, keys, [Cell(str(fold), fold)])
            for (_, fold), own in rows.groupby(["label", "fold"], sort=False)
        ]
        heads = [Column("fold", axis), *columns(keys, report.results.metrics), counts(report.unit)]
        tables[name] = [Table(name, title, heads, lines)] if lines else []
        panels = [_panel(report, rows, key, title, axis) for key in SHOWN_METRICS] if lines else []
        figures[name] = Figure(panels, note="" if panels else NOTE)
    return Content(tables=tables, figures=figures, empty=not any(tables.values()))


def folds(models: pandas.DataFrame, prefix: str) -> pandas.DataFrame:
    """Finished models of the splits of one kind with their number of folds or requests, `fold`;
    fold 1 is the forget run of the same seeds."""
    later = models[models["split"].str.startswith(prefix)]
    runs = later[["label", *RUN]].drop_duplicates()
    first = models[models["split"] == FORGET].merge(runs, on=["label", *RUN])
    numbers = later["split"].str[-1].astype(int)
    both = pandas.concat([first.assign(fold=1), later.assign(fold=numbers)])
    order = {label: place for place, label in enumerate(later["label"].unique())}
    return both.sort_values(
        ["label", "fold"], key=lambda c: c.map(order) if c.name == "label" else c, kind="stable"
    )


def _panel(report, rows: pandas.DataFrame, metric: str, title: str, axis: str) -> Panel:
    """Means as a line, one standard deviation as bars, seeds as small marks; the target and the
    retrained models as level lines."""
    rows = rows[rows["metric"] == metric]
    labels = [NAMES[TARGET], NAMES[RETRAIN], *rows["label"].unique()]
    channel = channels({label: report.styles[label] for label in labels})
    declared = METRICS[metric]
    averaged = units(rows, ["label", "fold"]).groupby(["label", "fold"], sort=False)["value"]
    moments = averaged.agg(["mean", "std", "count"])
    means = []
    for (label, fold), (mean, sd, n) in zip(
        moments.index, moments.fillna(0).to_numpy(), strict=True
    ):
        mark = {
            "label": label,
            "fold": int(fold),
            "seeds": f"mean of {int(n)}",
            "value": round(mean, 3),
        }
        means.append(mark | {"low": round(mean - sd, 3), "high": round(mean + sd, 3)})
    seeds = rows[["label", "fold", "value"]].to_dict("records")
    references = [
        {"label": name, "value": round(report.spreads[FORGET, name][metric].mean, 3)}
        for name in labels[:2]
        if metric in report.spreads[FORGET, name]
    ]
    x = altair.X(
        "fold:Q",
        title=axis,
        scale=altair.Scale(zero=False, padding=12),
        axis=altair.Axis(values=sorted({mark["fold"] for mark in means}), format="d"),
    )
    y = altair.Y("value:Q", title=f"{declared.title}, percent")
    drawn = altair.Chart(inline_data(means))
    tooltip = ["label:N", altair.Tooltip("fold:Q", title=axis), "value:Q", "seeds:N"]
    colour = channel["color"]
    chart = altair.layer(
        altair.Chart(inline_data(references))
        .mark_rule(strokeWidth=1.3)
        .encode(y=y, tooltip=["label:N", "value:Q"], opacity=emphasis(0.8, 0.3), **channel),
        drawn.mark_rule(strokeWidth=1.5).encode(
            x=x, y="low:Q", y2="high:Q", color=colour, opacity=emphasis(0.8, 0.1)
        ),
        drawn.mark_line(strokeWidth=2).encode(x=x, y=y, opacity=emphasis(0.95, 0.1), **channel),
        drawn.mark_point(filled=True, size=50).encode(
            x=x, y=y, color=colour, tooltip=tooltip, opacity=emphasis(1, 0.1)
        ),
        altair.Chart(inline_data(seeds))
        .mark_point(size=22)
        .encode(x=x, y=y, color=colour, opacity=emphasis(0.6, 0.05)),
    )
    return Panel(f"{title}: {declared.title}", chart, 240)

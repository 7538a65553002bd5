"""Section "Folds": MUSE's scalability (larger forget sets) and sustainability (more requests)."""

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
    """A table and a figure of each kind of further folds; empty if there is no run on any."""
    tables: dict[str, list[Table]] = {}
    figures: dict[str, Figure] = {}
    for name, (prefix, title, axis) in KINDS.items():
        models = models_by_fold(finals(report.frame), prefix)
        if models.empty:
            tables[name], figures[name] = [], Figure([], note=NOTE)
            continue
        present = set(models["metric"])
        keys = [key for key in METRICS if key in present]
        rows = []
        for (_, fold), values in models.groupby(["label", "fold"], sort=False):
            rows.append(metric_row(report, values, keys, [Cell(str(fold), fold)]))
        heads = [Column("fold", axis), *columns(keys, report.results.metrics), counts(report.unit)]
        tables[name] = [Table(name, title, heads, rows)]
        panels = [_panel(report, models, key, title, axis) for key in SHOWN_METRICS]
        figures[name] = Figure(panels)
    return Content(tables=tables, figures=figures, empty=not any(tables.values()))


def models_by_fold(models: pandas.DataFrame, prefix: str) -> pandas.DataFrame:
    """Finished models of one kind of splits, with the number of folds or requests in column `fold`.

    Fold 1 is the run on the forget split with the same method and seed.
    """
    further = models[models["split"].str.startswith(prefix)]
    # folds may have fewer seeds than `forget`: a mean over all of its would be of other runs
    runs = further[["label", *RUN]].drop_duplicates()
    forget = models[models["split"] == FORGET].merge(runs, on=["label", *RUN])
    numbers = further["split"].str[-1].astype(int)
    rows = pandas.concat([forget.assign(fold=1), further.assign(fold=numbers)])
    # Labels keep the order in which the report lists them, which is not that of the alphabet.
    rows["label"] = pandas.Categorical(rows["label"], further["label"].unique())
    rows = rows.sort_values(["label", "fold"], kind="stable")
    return rows.astype({"label": str})


def _panel(report, rows: pandas.DataFrame, metric: str, title: str, axis: str) -> Panel:
    """One metric over the folds: a line of means, bars of one standard deviation, small marks for
    seeds, and horizontal lines for the target and the retrained models."""
    metric_title = METRICS[metric].title
    rows = rows[rows["metric"] == metric]
    averaged = units(rows, ["label", "fold"]).groupby(["label", "fold"], sort=False)["value"]
    # A single seed has no deviation, but a mean to draw.
    moments = averaged.agg(["mean", "std", "count"]).fillna({"std": 0}).reset_index()
    means = moments[["label", "fold"]].assign(
        seeds=[f"mean of {count}" for count in moments["count"]],
        value=moments["mean"].round(3),
        low=(moments["mean"] - moments["std"]).round(3),
        high=(moments["mean"] + moments["std"]).round(3),
    )
    seeds = rows[["label", "fold", "value"]].to_dict("records")
    # of `forget`: later requests have no target and retrained model of their own
    baselines = []
    for name in (NAMES[TARGET], NAMES[RETRAIN]):
        spreads = report.spreads[FORGET, name]
        if metric in spreads:
            baselines.append({"label": name, "value": round(spreads[metric].mean, 3)})
    channel = channels(report.styles, [*baselines, *seeds])
    ticks = altair.Axis(values=sorted(set(means["fold"].tolist())), format="d")
    x = altair.X("fold:Q", title=axis, scale=altair.Scale(zero=False, padding=12), axis=ticks)
    y = altair.Y("value:Q", title=f"{metric_title}, percent")
    summary = altair.Chart(inline_data(means.to_dict("records")))
    tooltip = ["label:N", altair.Tooltip("fold:Q", title=axis), "value:Q", "seeds:N"]
    colour = channel["color"]
    chart = altair.layer(
        altair.Chart(inline_data(baselines))
        .mark_rule(strokeWidth=1.3)
        .encode(y=y, tooltip=["label:N", "value:Q"], opacity=emphasis(0.8, 0.3), **channel),
        summary.mark_rule(strokeWidth=1.5).encode(
            x=x, y="low:Q", y2="high:Q", color=colour, opacity=emphasis(0.8, 0.1)
        ),
        summary.mark_line(strokeWidth=2).encode(x=x, y=y, opacity=emphasis(0.95, 0.1), **channel),
        summary.mark_point(filled=True, size=50).encode(
            x=x, y=y, color=colour, tooltip=tooltip, opacity=emphasis(1, 0.1)
        ),
        altair.Chart(inline_data(seeds))
        .mark_point(size=22)
        .encode(x=x, y=y, color=colour, opacity=emphasis(0.6, 0.05)),
    )
    return Panel(f"{title}: {metric_title}", chart, 240)

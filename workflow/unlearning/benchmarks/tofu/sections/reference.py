"""Section "Reference": forget quality and utility of a method by its reference model."""

import altair

from unlearning.benchmarks.tofu.sections.marks import FIELDS, marks
from unlearning.methods.references import TARGET
from unlearning.reporting.charts.palette import hues
from unlearning.reporting.charts.specs import Panel, inline_data, log_fq_axis, threshold
from unlearning.reporting.frame import RUN, finals
from unlearning.reporting.labels import model_label
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.tables import Cell, Column, Row, Table, columns, count, counts, number

TITLE = "Reference"
SHOWN = ("reference",)
FIGURES = {
    "reference": "Forget quality and model utility of NPO against the reference model that it was "
    "given."
}
NOTE = "No run has another reference than the target: see mini-reference-bias."
METRICS = ("forget_quality", "log10_forget_quality", "model_utility", "early_weight")


def content(report) -> Content:
    """Two panels and a table for each split in which a method ran with several references."""
    tables, panels = [], []
    for split in report.results.splits:
        grouped = groups(report, split)
        if grouped:
            tables.append(_table(report, split, grouped))
            panels += _panels(report, split, grouped)
    figure = Figure(panels, note="" if panels else NOTE)
    return Content(tables={"reference": tables}, figures={"reference": figure}, empty=not panels)


def groups(report, split: str) -> dict[str, dict[str, str]]:
    """Method with its other hyper-parameters -> reference -> label of the variant.

    Only methods that were run with another reference than the target.
    """
    labels: dict[str, dict[str, str]] = {}
    for label, variant in report.results.variants[split].items():
        if (split, label) in report.spreads:
            hyper = dict(variant.hyper)
            reference = hyper.pop("reference", TARGET)
            labels.setdefault(model_label(variant.method, hyper), {})[reference] = label
    # Most methods have the target alone, which would be a line of one point.
    return {method: entry for method, entry in labels.items() if set(entry) - {TARGET}}


def _table(report, split: str, grouped: dict[str, dict[str, str]]) -> Table:
    """A row for each method and reference. grouped: groups() of the split."""
    metrics, models = report.results.metrics, report.results.models
    rows = []
    for method, labels in grouped.items():
        for reference, label in labels.items():
            spreads = report.spreads[split, label]
            cells = [Cell(reference, reference)]
            cells += [number(key, spreads.get(key), metrics[key]) for key in METRICS]
            runs = models[(models["split"] == split) & (models["label"] == label)]
            rows.append(Row(method, [*cells, count(runs, report.unit)]))
    heads = [Column("reference", "Reference", number=False)]
    heads += [*columns(METRICS, metrics), counts(report.unit)]
    caption = f"Reference models on {split}"
    return Table(f"reference-{split}", caption, heads, rows, head="Method")


def _panels(report, split: str, grouped: dict[str, dict[str, str]]) -> list[Panel]:
    """log10 FQ and MU by reference: seeds and their means; a line for each method."""
    models = finals(report.frame)
    models = models[models["split"] == split]
    runs: list[dict] = []
    means: list[dict] = []
    for method, labels in grouped.items():
        for reference, label in labels.items():
            rows = models[models["label"] == label]
            names = {"method": method, "reference": reference}
            runs += [mark | names for mark in marks(rows, RUN, FIELDS.values())]
            means += [mark | names for mark in marks(rows, [], FIELDS.values())]
    quality = log_fq_axis([mark["log10_fq"] for mark in runs])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(zero=True))
    return [
        Panel(f"{split}: forget quality by reference", _chart(runs, means, quality, threshold())),
        Panel(f"{split}: model utility by reference", _chart(runs, means, utility)),
    ]


def _chart(runs: list[dict], means: list[dict], y: altair.Y, *below):
    """Small dots for runs, large ones for means, and lines, above the layers `below`."""
    # References in the order of the config, not of the alphabet.
    order = list(dict.fromkeys(mark["reference"] for mark in means))
    methods = list(dict.fromkeys(mark["method"] for mark in means))
    # a method is drawn with several references, whose labels have styles of their own
    scale = altair.Scale(domain=methods, range=list(hues(len(methods))))
    axis = altair.Axis(labelAngle=-30)
    where = {
        "x": altair.X("reference:N", sort=order, title="Reference model", axis=axis),
        "y": y,
        "color": altair.Color("method:N", scale=scale, legend=altair.Legend(title=None)),
        "tooltip": ["method:N", "reference:N", "seed:N", y.shorthand],
    }
    small, large = altair.Chart(inline_data(runs)), altair.Chart(inline_data(means))
    return altair.layer(
        *below,
        small.mark_point(size=40, filled=True, opacity=0.4).encode(**where),
        large.mark_point(size=150, filled=True).encode(**where),
        large.mark_line(opacity=0.35, strokeDash=[3, 3]).encode(**where),
    )

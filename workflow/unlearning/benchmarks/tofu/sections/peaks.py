"""Section "Peaks": variants at the epoch of their peak forget quality and at their last epoch."""

import altair
import pandas

from unlearning.benchmarks.tofu.sections.marks import TOOLTIP, marks
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import (
    Panel,
    emphasis,
    inline_data,
    log_fq_axis,
    threshold,
    utility_axis,
)
from unlearning.reporting.frame import MODEL, wide
from unlearning.reporting.peaks import QUALITY, at_peak
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.selection import choice_row, choice_table, peak_choices
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Peaks"
TABLES = ("peaks", "peak_choice")
SHOWN = ("peak_choice",)
FIGURES = {
    "peaks": "Forget quality against model utility, means over seeds, or over draws of several: "
    "open marks at the epoch of a variant's peak forget quality, as the NPO paper takes it, filled "
    "marks at the last epoch."
}
NOTE = "Peaks need evaluations on the way: set unlearn.trajectory to the epochs to evaluate."
_METRICS = ("forget_quality", "log10_forget_quality", "model_utility")


def content(report) -> Content:
    """One panel for each split, all values as CSV, and a table of the corrected choices."""
    # both without single-epoch variants, which have no peak to speak of
    peak, last = at_peak(report.frame), at_peak(report.frame, "last")
    # Both moments of a run in one row.
    table = _columns_of(peak, "peak").merge(_columns_of(last, "last"), on=MODEL)
    panels: list[Panel] = []
    for split, peak_of_split in peak.groupby("split", sort=False):
        panels.append(_panel(report, split, peak_of_split, last[last["split"] == split]))
    figure = Figure(panels, width=420, note="" if panels else NOTE)
    lines, tables = _choices(report)
    csv = {"peaks": table, "peak_choice": lines}
    return Content(csv, {"peak_choice": tables}, {"peaks": figure}, empty=not panels)


def _columns_of(rows: pandas.DataFrame, moment: str) -> pandas.DataFrame:
    """A row for each run, its epoch and metrics in columns named after the moment."""
    names = {name: f"{moment}_{name}" for name in ("epoch", *_METRICS)}
    return wide(rows, [*MODEL, "epoch"], _METRICS).rename(columns=names)


def _choices(report) -> tuple[pandas.DataFrame, list[Table]]:
    """log10 FQ of each variant at its peak, naive and corrected: for CSV, and a table for each
    split."""
    lines: list[list] = []
    rows: dict[str, list[Row]] = {}
    for (split, _, _, label), peak in peak_choices(report.frame).items():
        naive, corrected = peak.naive[QUALITY], peak.corrected.get(QUALITY)
        lines.append([split, label, peak.candidate, naive, corrected, peak.left_out])
        epoch = Cell(f"{peak.candidate:g}", peak.candidate)
        row = choice_row(label, peak, report.results, [epoch])
        rows.setdefault(split, []).append(row)
    header = ["split", "label", "epoch", "naive_log10_fq", "corrected_log10_fq", "left_out"]
    epochs = [Column("epoch", "Peak epoch")]
    tables: list[Table] = []
    for split, split_rows in rows.items():
        name, caption = f"peak_choice-{split}", f"Peaks on {split}"
        tables.append(choice_table(name, caption, [QUALITY], split_rows, epochs))
    return pandas.DataFrame(lines, columns=header), tables


def _panel(report, split: str, peak, last) -> Panel:
    """Means at the epoch of peak FQ (open) and at the last one (filled), joined."""
    points = marks(peak, ["epoch"], ["log10_fq", "mu"])
    for mark in marks(last, ["epoch"], ["log10_fq", "mu"]):
        points.append(mark | {"last": True})  # a peak lacks the field, which Vega reads as false
    y, x = log_fq_axis([mark["log10_fq"] for mark in points]), utility_axis()
    look = channels(report.styles, points, shape=True)
    # A line of its own for each label joins the two moments.
    base = altair.Chart(inline_data(points)).encode(x=x, y=y, color=look["color"], detail="label:N")
    size = altair.SizeValue(70, condition={"test": "datum.last", "value": 150})
    tooltip = [*TOOLTIP[:2], altair.Tooltip("epoch:Q", title="Epoch"), *TOOLTIP[2:]]
    marked = {"shape": look["shape"], "size": size, "tooltip": tooltip}
    layers = [
        threshold(),
        base.mark_line(strokeWidth=1.2).encode(order="epoch:Q", opacity=emphasis(0.6, 0.1)),
        base.mark_point(filled=False, strokeWidth=2).encode(opacity=emphasis(1, 0.1), **marked),
        base.transform_filter("datum.last")
        .mark_point(filled=True)
        .encode(opacity=emphasis(1, 0.1), **marked),
    ]
    return Panel(split, altair.layer(*layers), height=360)

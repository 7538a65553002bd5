"""Variants at the epoch of their peak forget quality, beside their last epoch."""

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
    """One panel for each split."""
    peak, last = at_peak(report.frame), at_peak(report.frame, "last")
    sides = [
        wide(rows, [*MODEL, "epoch"], _METRICS).rename(
            columns={name: f"{side}_{name}" for name in ("epoch", *_METRICS)}
        )
        for side, rows in (("peak", peak), ("last", last))
    ]
    table = sides[0].merge(sides[1], on=MODEL)
    panels = [
        _panel(report, split, peak[peak["split"] == split], last[last["split"] == split])
        for split in peak["split"].unique()
    ]
    figure = Figure(panels, width=420, note="" if panels else NOTE)
    lines, tables = _choices(report)
    csv = {"peaks": table, "peak_choice": lines}
    return Content(csv, {"peak_choice": tables}, {"peaks": figure}, empty=not panels)


def _choices(report) -> tuple[pandas.DataFrame, list[Table]]:
    """Of each variant log10 FQ at the peak, as it is and corrected; a table for each split."""
    lines: list[list] = []
    rows: dict[str, list[Row]] = {}
    for (split, _, _, label), picked in peak_choices(report.frame).items():
        corrected = picked.corrected.get(QUALITY)
        lines.append([split, label, picked.candidate, picked.naive[QUALITY], corrected])
        lines[-1].append(picked.left_out)
        epoch = Cell(f"{picked.candidate:g}", picked.candidate)
        row = choice_row(label, picked, report.results, [epoch])
        rows.setdefault(split, []).append(row)
    header = ["split", "label", "epoch", "naive_log10_fq", "corrected_log10_fq", "left_out"]
    epochs = [Column("epoch", "Peak epoch")]
    tables = [
        choice_table(f"peak_choice-{split}", f"Peaks on {split}", [QUALITY], lines_of_split, epochs)
        for split, lines_of_split in rows.items()
    ]
    return pandas.DataFrame(lines, columns=header), tables


def _panel(report, split: str, peak, last) -> Panel:
    """Means at the epoch of peak FQ (open) and at the last one (filled), joined."""
    points = [
        mark | {"last": end}
        for end, rows in ((False, peak), (True, last))
        for mark in marks(rows, ["epoch"], ["log10_fq", "mu"])
    ]
    y, x = log_fq_axis([mark["log10_fq"] for mark in points]), utility_axis()
    present = {mark["label"] for mark in points}
    look = channels({k: v for k, v in report.styles.items() if k in present}, shape=True)
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

"""Forget quality by epoch of each relearning attack on the unlearned models."""

import altair

from unlearning.benchmarks.tofu.sections.curves import curves
from unlearning.reporting.charts.specs import Panel, log_fq_axis, threshold
from unlearning.reporting.frame import MODEL, RELEARN, wide
from unlearning.reporting.labels import attack_title
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.section import Content, Figure

TITLE = "Relearning"
TABLES = ("relearning",)
FIGURES = {
    "relearning": "Forget quality by epoch of a relearning attack on unlearned models, for each "
    "attack."
}
NOTE = "No relearning attack was run: set relearn.methods to the methods to attack."


def content(report) -> Content:
    """One panel for each split and attack."""
    attacked = report.frame[report.frame["phase"] == RELEARN]
    keys = [*MODEL, "attack", "epoch", "step"]
    table = wide(attacked, keys, report.results.metrics).dropna(axis="columns", how="all")
    epoch = altair.X("epoch:Q", title="Epoch of relearning", axis=altair.Axis(tickMinStep=1))
    panels = []
    for (split, attack), rows in attacked.groupby(["split", "attack"], sort=False):
        quality = log_fq_axis(rows.loc[rows["metric"] == QUALITY, "value"].tolist())
        chart = curves(rows, rows, report.styles, epoch, quality, threshold())
        panels.append(Panel(f"{split}: {attack_title(attack)}", chart))
    figure = Figure(panels, note="" if panels else NOTE)
    return Content({"relearning": table}, figures={"relearning": figure}, empty=not panels)

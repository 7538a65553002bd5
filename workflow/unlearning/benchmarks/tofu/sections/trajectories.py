"""Forget quality and utility by epoch of unlearning, and the path through both."""

import altair

from unlearning.benchmarks.tofu.sections.curves import curves
from unlearning.reporting.charts.specs import Panel, log_fq_axis, threshold, utility_axis
from unlearning.reporting.frame import COURSE, MODEL, wide
from unlearning.reporting.peaks import QUALITY, states
from unlearning.reporting.section import Content, Figure

TITLE = "Trajectories"
TABLES = ("trajectories",)
FIGURES = {
    "trajectories": "Forget quality and model utility by epoch of unlearning, from the target "
    "model on, and the path through both."
}
NOTE = (
    "Only the start and the end of each run are known: set unlearn.trajectory to the epochs to "
    "evaluate."
)


def content(report) -> Content:
    """Three panels for each split; the table has every evaluated point."""
    course = report.frame[report.frame["phase"] == COURSE]
    table = wide(course, [*MODEL, "epoch", "step"], report.results.metrics)
    table = table.dropna(axis="columns", how="all")
    panels = []
    for split in course["split"].unique():
        rows = course[course["split"] == split]
        # Means over all runs at each epoch: of a collapsed run its last state counts.
        means = states(rows)
        quality = log_fq_axis(rows.loc[rows["metric"] == QUALITY, "value"].tolist())
        utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(zero=True))
        epoch = altair.X("epoch:Q", title="Epoch", axis=altair.Axis(tickMinStep=1))
        drawn = [
            ("forget quality", epoch, quality, [threshold()]),
            ("model utility", epoch, utility, []),
            ("path through both", utility_axis(), quality, [threshold()]),
        ]
        for title, x, y, below in drawn:
            chart = curves(rows, means, report.styles, x, y, *below)
            panels.append(Panel(f"{split}: {title}", chart))
    on_the_way = report.experiment.config["unlearn"]["trajectory"]
    note = "" if on_the_way else NOTE
    figure = Figure(panels, "medium", columns=3, note=note)
    return Content({"trajectories": table}, figures={"trajectories": figure})

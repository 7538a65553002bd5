"""The forget set's log-probability by step, and whether a line or a logarithm fits its fall."""

from dataclasses import replace

import pandas

from unlearning.analysis.quantities import GROWTH
from unlearning.reporting.charts.bands import bands, curve_chart, fitted_panel
from unlearning.reporting.charts.specs import Panel
from unlearning.reporting.frame import MODEL, finals
from unlearning.reporting.labels import model_label
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.sections.results import metric_table

TITLE = "Divergence"
TABLES = ("divergence",)
SHOWN = ("divergence",)
FIGURES = {
    "divergence": "Log-probability of the forget set by step of unlearning without a retain term "
    "at a constant learning rate, means and one standard deviation over seeds, or over draws of "
    "several; and of each variant how far it fell, with a linear fit a + b t (dots) and a "
    "logarithmic one a log(1 + c t) (dashes)."
}
NOTE = (
    "No method without a retain term was run at a constant learning rate with evaluations on the "
    "way: see mini-divergence."
)
FALL = "Fall of log-probability"
METRICS = tuple(f"divergence_{key}" for key in GROWTH)


def content(report) -> Content:
    """All variants' log-probability on one pair of axes, then each one's fall with both fits."""
    names = ("step", "log_probability", "drift")
    lines = []
    for cell, curves in report.results.details["divergence"]:
        label = model_label(cell.method, dict(cell.hyper))
        key = (cell.split, cell.method, cell.variant, label, cell.draw, cell.seed)
        for values in zip(*(curves[name] for name in names), strict=True):
            lines.append((*key, *values))
    runs = pandas.DataFrame(lines, columns=[*MODEL, *names])
    tables, panels = [], []
    for split, split_runs in runs.groupby("split", sort=False):
        panels += _panels(report, split, split_runs)
        models = finals(report.frame)
        models = models[(models["split"] == split) & models["label"].isin(split_runs["label"])]
        caption = f"Divergence on {split}"
        tables.append(metric_table(report, f"divergence-{split}", caption, models, METRICS))
    figure = Figure(panels, "medium", columns=3, note="" if panels else NOTE)
    return Content(
        {"divergence": runs}, {"divergence": tables}, {"divergence": figure}, empty=not panels
    )


def _panels(report, split: str, runs: pandas.DataFrame) -> list[Panel]:
    labels = runs["label"].unique()
    # solid lines, because in the next panels dots and dashes are fits
    look = {label: replace(report.styles[label], dash=(1, 0)) for label in labels}
    # Charts of bands take rows of the frame: one column of values, named by `metric`.
    probability = runs.rename(columns={"log_probability": "value"}).assign(metric="log_probability")
    marks = bands(probability, floor=float("-inf"))  # log-probabilities are negative
    together = curve_chart(marks, "Log-probability of the forget set", look)
    panels = [Panel(f"{split}: log-probability of a forget answer, nats", together)]
    falls = runs.rename(columns={"drift": "value"}).assign(metric="drift")
    for label in labels:
        fall = falls[falls["label"] == label]
        panels.append(fitted_panel(f"{split}: {label}", fall, FALL, look))
    return panels

"""Section of figures: the curves of each study, means with bands over seeds."""

from collections.abc import Mapping

import altair
import pandas

from unlearning.reporting.charts.bands import bands, curve_chart, fitted_panel
from unlearning.reporting.charts.palette import Style, channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data
from unlearning.reporting.frame import COURSE
from unlearning.reporting.section import Content, Figure

TITLE = "Studies"
FIGURES = {
    "logistic": "KL(retrained ‖ current) on fresh forget and retain points during unlearning of a "
    "logistic model.",
    "divergence": "How far the forget points' logits have moved, a line and a logarithm fitted.",
    "markov": "KL(retrained ‖ current) in nats per token on each chain's test set by step of "
    "unlearning.",
}
NOTE = "This experiment does not have this study: see config/experiments/synthetic.yaml."
HEADS = {
    "logistic": "Forget and retain distance",
    "divergence": "Divergence speed",
    "markov": "Mixtures of Markov chains",
}
CURVES = {
    "forget_distance": "Forget distance",
    "retain_distance": "Retain distance",
    "drift": "Distance from the start",
    "retain": "KL on retain",
    "forget1": "KL on forget1",
    "forget2": "KL on forget2",
}


def content(report) -> Content:
    """A figure for each study; for a study that the experiment lacks, a note."""
    trajectories = report.frame[report.frame["phase"] == COURSE]
    figures = {}
    for study, draw in _PANELS.items():
        panels = []
        for split in report.results.judged_splits.get(study, []):
            rows = trajectories[trajectories["split"] == split]
            if len(rows):  # none of its jobs may be done yet
                panels += draw(split.partition(", ")[2], rows, report.styles)
        figures[study] = Figure(panels, "medium", 3, note="" if panels else NOTE)
    studies = report.experiment.studies
    seeds = {study: len(studies[study]["seeds"]) for study in HEADS if study in studies}
    return Content(figures=figures, words={"seeds": seeds, "heads": HEADS})


def _curve(name: str, rows: pandas.DataFrame) -> pandas.DataFrame:
    return rows[rows["metric"] == f"{name} by step"]


def _logistic(setting: str, rows: pandas.DataFrame, styles: dict[str, Style]) -> list[Panel]:
    panels, marks = [], {}
    for name in ("forget_distance", "retain_distance"):
        marks[name] = bands(_curve(name, rows))
        chart = curve_chart(marks[name], CURVES[name], styles, log=True)
        panels.append(Panel(f"{setting}: {CURVES[name].lower()}", chart))
    return [*panels, Panel(f"{setting}: both", _path(marks, styles))]


def _divergence(setting: str, rows: pandas.DataFrame, styles: dict[str, Style]) -> list[Panel]:
    panels = []
    for label, drift in _curve("drift", rows).groupby("label", sort=False):
        panels.append(fitted_panel(f"{setting}: {label}", drift, CURVES["drift"], styles))
    return panels


def _markov(setting: str, rows: pandas.DataFrame, styles: dict[str, Style]) -> list[Panel]:
    panels = []
    for name in ("retain", "forget1", "forget2"):
        marks = bands(_curve(name, rows))
        chart = curve_chart(marks, CURVES[name], styles, title="Step of unlearning")
        panels.append(Panel(f"{setting.capitalize()}: {CURVES[name]}", chart))
    return panels


_PANELS = {"logistic": _logistic, "divergence": _divergence, "markov": _markov}


def _path(marks: Mapping[str, list[dict]], styles: dict[str, Style]):
    """The mean path in the plane of both distances, with a mark at its end."""
    points = []
    for forget, retain in zip(marks["forget_distance"], marks["retain_distance"], strict=True):
        # both axes are logarithmic; a distance of a model that equals the retrained one is 0
        if forget["value"] > 0 and retain["value"] > 0:
            point = {"label": forget["label"], "step": forget["step"]}
            points.append(point | {"forget": forget["value"], "retain": retain["value"]})
    style_channels = channels(styles, points)
    last = max(point["step"] for point in points)
    scale = altair.Scale(type="log")
    x = altair.X("forget:Q", title="Forget distance", scale=scale)
    y = altair.Y("retain:Q", title="Retain distance", scale=scale)
    line = altair.Chart(inline_data(points)).mark_line(strokeWidth=2)
    end_points = [point for point in points if point["step"] == last]
    ends = altair.Chart(inline_data(end_points))
    tooltip = ["label:N", "forget:Q", "retain:Q"]
    return altair.layer(
        line.encode(x=x, y=y, order="step:Q", opacity=emphasis(0.95, 0.1), **style_channels),
        ends.mark_point(filled=True, size=64).encode(
            x=x, y=y, tooltip=tooltip, color=style_channels["color"], opacity=emphasis(1, 0.1)
        ),
    )

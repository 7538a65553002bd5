"""Curves of each study, means with bands over seeds."""

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
    """A figure for each study; those that the experiment lacks say so."""
    course = report.frame[report.frame["phase"] == COURSE]
    figures = {}
    for study, draw in _PANELS.items():
        panels = []
        for split in report.results.places.get(study, []):
            here = course[course["split"] == split]
            if len(here):
                look = {k: v for k, v in report.styles.items() if k in set(here["label"])}
                panels += draw(split.partition(", ")[2], here, look)
        figures[study] = Figure(panels, "medium", 3, note="" if panels else NOTE)
    present = [study for study in HEADS if report.experiment.studies.get(study)]
    seeds = {study: len(report.experiment.studies[study]["seeds"]) for study in present}
    return Content(figures=figures, words={"seeds": seeds, "heads": HEADS})


def _of(curve: str, course: pandas.DataFrame) -> pandas.DataFrame:
    return course[course["metric"] == f"{curve} by step"]


def _logistic(where: str, course: pandas.DataFrame, look: dict[str, Style]) -> list[Panel]:
    marks = {name: bands(_of(name, course)) for name in ("forget_distance", "retain_distance")}
    panels = []
    for name, curve in marks.items():
        chart = curve_chart(curve, CURVES[name], look, log=True)
        panels.append(Panel(f"{where}: {CURVES[name].lower()}", chart))
    return [*panels, Panel(f"{where}: both", _path(marks, look))]


def _divergence(where: str, course: pandas.DataFrame, look: dict[str, Style]) -> list[Panel]:
    drift = _of("drift", course)
    return [
        fitted_panel(f"{where}: {label}", rows, CURVES["drift"], look)
        for label, rows in drift.groupby("label", sort=False)
    ]


def _markov(where: str, course: pandas.DataFrame, look: dict[str, Style]) -> list[Panel]:
    return [
        Panel(
            f"{where.capitalize()}: {CURVES[name]}",
            curve_chart(bands(_of(name, course)), CURVES[name], look, title="Step of unlearning"),
        )
        for name in ("retain", "forget1", "forget2")
    ]


_PANELS = {"logistic": _logistic, "divergence": _divergence, "markov": _markov}


def _path(marks: Mapping[str, list[dict]], styles: dict[str, Style]):
    """The mean path in the plane of both distances; the end is marked."""
    look = channels(styles)
    points = []
    for forget, retain in zip(marks["forget_distance"], marks["retain_distance"], strict=True):
        if forget["value"] > 0 and retain["value"] > 0:
            point = {"label": forget["label"], "step": forget["step"]}
            points.append(point | {"forget": forget["value"], "retain": retain["value"]})
    last = max(point["step"] for point in points)
    scale = altair.Scale(type="log")
    x = altair.X("forget:Q", title="Forget distance", scale=scale)
    y = altair.Y("retain:Q", title="Retain distance", scale=scale)
    line = altair.Chart(inline_data(points)).mark_line(strokeWidth=2)
    ends = altair.Chart(inline_data([point for point in points if point["step"] == last]))
    tooltip = ["label:N", "forget:Q", "retain:Q"]
    return altair.layer(
        line.encode(x=x, y=y, order="step:Q", opacity=emphasis(0.95, 0.1), **look),
        ends.mark_point(filled=True, size=64).encode(
            x=x, y=y, tooltip=tooltip, color=look["color"], opacity=emphasis(1, 0.1)
        ),
    )

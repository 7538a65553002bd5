"""Section of figures: forget set against retain set, epochs, relearning attacks."""

import altair
import pandas

from unlearning.benchmarks.own.metrics import METRICS
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data
from unlearning.reporting.frame import COURSE, MODEL, RELEARN, RUN, finals, units, wide
from unlearning.reporting.labels import attack_title, run_titles
from unlearning.reporting.peaks import states
from unlearning.reporting.section import Content, Figure

TITLE = "Figures"
TABLES = ("trajectories", "relearning")
FIGURES = {
    "trade_off": "Probability of the true answers: retain set against forget set.",
    "epochs": "Probability of the true answers by epoch of unlearning.",
    "attacks": "Probability of the true answers on the forget set by epoch of relearning attacks.",
}
NOTES = {
    "epochs": "No run was evaluated on the way: set unlearn.trajectory, as in [1, 2, 5].",
    "attacks": "No attack was run: set relearn.methods to the methods to attack.",
}
FORGET, RETAIN = "forget_probability", "retain_probability"


def content(report) -> Content:
    """The figures; one without runs has a note on what to set."""
    trajectories = report.frame[report.frame["phase"] == COURSE]
    relearning = report.frame[report.frame["phase"] == RELEARN]
    panels: dict[str, list[Panel]] = {name: [] for name in FIGURES}
    panels["trade_off"].append(_trade_off(report))
    # Of a run that collapsed its last state counts: a mean of the others would look better.
    reached = states(report.frame)
    # Without evaluations on the way, a course has two points, start and end: no curve.
    if report.experiment.config["unlearn"]["trajectory"]:
        for name in (FORGET, RETAIN):
            panels["epochs"].append(_curves(report, METRICS[name].title, reached, name))
    for attack, rows in relearning.groupby("attack", sort=False):
        panels["attacks"].append(_curves(report, attack_title(attack), rows, FORGET))
    figures = {}
    for name, charts in panels.items():
        figures[name] = Figure(charts, note="" if charts else NOTES[name])
    csv = {
        "trajectories": wide(trajectories, [*MODEL, "epoch"], METRICS),
        "relearning": wide(relearning, [*MODEL, "attack", "epoch"], METRICS),
    }
    return Content(csv, figures=figures)


def _trade_off(report) -> Panel:
    """A mark for each model."""
    models = wide(finals(report.frame), ["label", *RUN], [FORGET, RETAIN])
    models["seed"] = run_titles(models)
    models = models.drop(columns="draw").rename(columns={FORGET: "forget", RETAIN: "retain"})
    marks = models.to_dict("records")
    x = altair.X("forget:Q", title=METRICS[FORGET].title, scale=altair.Scale(domain=[0, 1]))
    y = altair.Y("retain:Q", title=METRICS[RETAIN].title, scale=altair.Scale(domain=[0, 1]))
    chart = (
        altair.Chart(inline_data(marks))
        .mark_point(filled=True, size=90)
        .encode(
            x=x,
            y=y,
            tooltip=["label:N", "seed:N", "forget:Q", "retain:Q"],
            opacity=emphasis(0.9, 0.1),
            **channels(report.styles, marks, shape=True),
        )
    )
    return Panel("Forgotten and kept: the upper left corner is best", chart)


def _curves(report, title: str, rows: pandas.DataFrame, metric: str) -> Panel:
    """A metric over epochs: means over the seeds of each variant."""
    moments = ["label", "epoch"]
    values = units(rows[rows["metric"] == metric], moments)
    means = values.groupby(moments, sort=False)["value"].mean().reset_index().to_dict("records")
    chart = (
        altair.Chart(inline_data(means))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=altair.X("epoch:Q", title="Epoch"),
            y=altair.Y("value:Q", title=METRICS[metric].title, scale=altair.Scale(domain=[0, 1])),
            tooltip=["label:N", "epoch:Q", "value:Q"],
            opacity=emphasis(0.95, 0.1),
            **channels(report.styles, means),
        )
    )
    return Panel(title, chart)

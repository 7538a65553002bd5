"""What is forgotten against what is kept, at the end, on the way and under relearning attacks."""

import altair
import pandas

from unlearning.benchmarks.own.metrics import METRICS
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import Panel, emphasis, inline_data
from unlearning.reporting.frame import COURSE, MODEL, RELEARN, RUN, finals, units, wide
from unlearning.reporting.labels import attack_title, run_titles
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
    """Figures without runs say what to set."""
    course = report.frame[report.frame["phase"] == COURSE]
    attacked = report.frame[report.frame["phase"] == RELEARN]
    on_the_way = bool(report.experiment.config["unlearn"]["trajectory"])
    epochs = [
        _curves(report, METRICS[name].title, course, name)
        for name in (FORGET, RETAIN)
        if on_the_way
    ]
    attacks = [
        _curves(report, attack_title(attack), rows, FORGET)
        for attack, rows in attacked.groupby("attack", sort=False)
    ]
    panels = {"trade_off": [_trade_off(report)], "epochs": epochs, "attacks": attacks}
    figures = {
        name: Figure(shown, note="" if shown else NOTES[name]) for name, shown in panels.items()
    }
    csv = {
        "trajectories": wide(course, [*MODEL, "epoch"], METRICS),
        "relearning": wide(attacked, [*MODEL, "attack", "epoch"], METRICS),
    }
    return Content(csv, figures=figures)


def _trade_off(report) -> Panel:
    """A mark for each model."""
    models = wide(finals(report.frame), ["label", *RUN], [FORGET, RETAIN])
    named = models.rename(columns={FORGET: "forget", RETAIN: "retain"})
    named["seed"] = run_titles(models)
    named = named.drop(columns="draw")
    x = altair.X("forget:Q", title=METRICS[FORGET].title, scale=altair.Scale(domain=[0, 1]))
    y = altair.Y("retain:Q", title=METRICS[RETAIN].title, scale=altair.Scale(domain=[0, 1]))
    marks = altair.Chart(inline_data(named.to_dict("records"))).mark_point(filled=True, size=90)
    chart = marks.encode(
        x=x,
        y=y,
        tooltip=["label:N", "seed:N", "forget:Q", "retain:Q"],
        opacity=emphasis(0.9, 0.1),
        **channels(report.styles, shape=True),
    )
    return Panel("Forgotten and kept: the upper left corner is best", chart)


def _curves(report, title: str, rows: pandas.DataFrame, metric: str) -> Panel:
    """A metric over epochs: means over the seeds of each variant."""
    moments = ["label", "epoch"]
    values = units(rows[rows["metric"] == metric], moments)
    means = values.groupby(moments, sort=False)["value"].mean().reset_index()
    present = set(means["label"])
    look = channels({k: style for k, style in report.styles.items() if k in present})
    chart = altair.Chart(inline_data(means.to_dict("records"))).mark_line(point=True, strokeWidth=2)
    chart = chart.encode(
        x=altair.X("epoch:Q", title="Epoch"),
        y=altair.Y("value:Q", title=METRICS[metric].title, scale=altair.Scale(domain=[0, 1])),
        tooltip=["label:N", "epoch:Q", "value:Q"],
        opacity=emphasis(0.95, 0.1),
        **look,
    )
    return Panel(title, chart)

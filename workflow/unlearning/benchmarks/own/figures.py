"""Figures of a report on your own data."""

import altair

from unlearning.benchmarks.own.metrics import METRICS
from unlearning.benchmarks.own.results import OwnResults, Point
from unlearning.reporting.charts import Panel, emphasis, inline_data, notice_svg, svg
from unlearning.reporting.labels import attack_title
from unlearning.reporting.palette import REFERENCE_STYLES, Style, channels, variant_styles
from unlearning.reporting.statistics import spread

FORGET, RETAIN = "forget_probability", "retain_probability"
NOTICES = {
    "trade_off": "No model has been evaluated.",
    "epochs": "No run was evaluated on the way: set unlearn.trajectory, as in [1, 2, 5].",
    "attacks": "No attack was run: set relearn.methods to the methods to attack.",
}


def styles(results: OwnResults) -> dict[str, Style]:
    """Label -> style of every model, references first."""
    methods = {m.label: m.method for m in results.models if m.epoch is not None}
    styles = REFERENCE_STYLES | variant_styles(methods)
    return {label: styles[label] for label in dict.fromkeys(m.label for m in results.models)}


def page_figures(
    results: OwnResults, look: dict[str, Style], legend: bool = False
) -> dict[str, list[Panel]]:
    """Figure -> its panels; without runs there are none."""
    course = [point for point in results.points if not point.attack]
    attacks = list(dict.fromkeys(point.attack for point in results.points if point.attack))
    relearned = {a: [point for point in results.points if point.attack == a] for a in attacks}
    return {
        "trade_off": [_trade_off(results, look, legend)],
        "epochs": [
            _curves(METRICS[name].title, course, name, look, legend)
            for name in (FORGET, RETAIN)
            if course
        ],
        "attacks": [
            _curves(attack_title(attack), points, FORGET, look, legend)
            for attack, points in relearned.items()
        ],
    }


def svg_figures(results: OwnResults, look: dict[str, Style]) -> dict[str, str]:
    """File name -> SVG; one without runs says what to set."""
    figures = page_figures(results, look, legend=True)
    return {
        f"{name}.svg": svg(panels, columns=2) if panels else notice_svg(NOTICES[name])
        for name, panels in figures.items()
    }


def _trade_off(results: OwnResults, look: dict[str, Style], legend: bool) -> Panel:
    """What is forgotten against what is kept, a mark for each model."""
    marks = []
    for model in results.models:
        values = {"forget": model.metrics[FORGET], "retain": model.metrics[RETAIN]}
        marks.append({"label": model.label, "seed": str(model.seed), **values})
    shown = {label: look[label] for label in dict.fromkeys(mark["label"] for mark in marks)}
    x = altair.X("forget:Q", title=METRICS[FORGET].title, scale=altair.Scale(domain=[0, 1]))
    y = altair.Y("retain:Q", title=METRICS[RETAIN].title, scale=altair.Scale(domain=[0, 1]))
    chart = altair.Chart(inline_data(marks)).mark_point(filled=True, size=90)
    chart = chart.encode(
        x=x,
        y=y,
        tooltip=["label:N", "seed:N", "forget:Q", "retain:Q"],
        opacity=emphasis(0.9, 0.1),
        **channels(shown, legend, shape=True),
    )
    return Panel("Forgotten and kept: the upper left corner is best", chart)


def _curves(
    title: str, points: list[Point], metric: str, look: dict[str, Style], legend: bool
) -> Panel:
    """A metric over epochs: means over the seeds of each variant."""
    values: dict[tuple[str, float], list[float]] = {}
    for point in points:
        values.setdefault((point.label, point.epoch), []).append(point.metrics[metric])
    marks = []
    for (label, epoch), seeds in values.items():
        marks.append({"label": label, "epoch": epoch, "value": spread(seeds).mean})
    shown = {label: look[label] for label in dict.fromkeys(mark["label"] for mark in marks)}
    chart = altair.Chart(inline_data(marks)).mark_line(point=True, strokeWidth=2)
    chart = chart.encode(
        x=altair.X("epoch:Q", title="Epoch"),
        y=altair.Y("value:Q", title=METRICS[metric].title, scale=altair.Scale(domain=[0, 1])),
        tooltip=["label:N", "epoch:Q", "value:Q"],
        opacity=emphasis(0.95, 0.1),
        **channels(shown, legend),
    )
    return Panel(title, chart)

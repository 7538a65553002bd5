"""Figures of the synthetic studies: curves with bands over seeds, frontiers, fits."""

import altair

from unlearning.benchmarks.synthetic.results import SyntheticResults, setting_title
from unlearning.reporting.bands import curve_chart, fitted_panel, marks
from unlearning.reporting.charts import Panel, emphasis, inline_data, svg
from unlearning.reporting.palette import Style, channels

TITLES = {
    "forget_distance": "Forget distance",
    "retain_distance": "Retain distance",
    "drift": "Distance from the start",
    "retain": "KL on retain",
    "forget1": "KL on forget1",
    "forget2": "KL on forget2",
}


def page_figures(
    results: SyntheticResults, styles: dict[str, Style], legend: bool = False
) -> dict[str, list[Panel]]:
    """Study -> its panels; none for a study that was not run."""
    experiment = results.experiment
    found: dict[str, list[Panel]] = {}
    for study in experiment.studies:
        panels = []
        for setting in experiment.settings_of(study):
            variants = results.variants(study, setting)
            look = {label: styles[label] for label in variants}
            panels += _PANELS[study](setting, variants, look, legend) if variants else []
        found[study] = panels
    return found


def svg_figures(results: SyntheticResults, styles: dict[str, Style]) -> dict[str, str]:
    """File name -> SVG."""
    panels = page_figures(results, styles, legend=True)
    return {f"{study}.svg": svg(shown, columns=3) for study, shown in panels.items() if shown}


def _logistic(setting: str, variants: dict, look: dict[str, Style], legend: bool) -> list[Panel]:
    both = ["forget_distance", "retain_distance"]
    data = [mark for runs in variants.values() for mark in marks(runs, both)]
    where = setting_title(setting)
    lines = [curve_chart(data, curve, TITLES[curve], look, legend, log=True) for curve in both]
    return [
        *(
            Panel(f"{where}: {TITLES[c].lower()}", line)
            for c, line in zip(both, lines, strict=True)
        ),
        Panel(f"{where}: both", _path(data, look, legend)),
    ]


def _divergence(setting: str, variants: dict, look: dict[str, Style], legend: bool) -> list[Panel]:
    where = setting_title(setting)
    return [
        fitted_panel(f"{where}: {label}", runs, TITLES["drift"], look, legend)
        for label, runs in variants.items()
    ]


def _markov(setting: str, variants: dict, look: dict[str, Style], legend: bool) -> list[Panel]:
    curves = ["retain", "forget1", "forget2"]
    data = [mark for runs in variants.values() for mark in marks(runs, curves)]
    where = setting_title(setting).capitalize()
    return [
        Panel(
            f"{where}: {TITLES[c]}",
            curve_chart(data, c, TITLES[c], look, legend, title="Step of unlearning"),
        )
        for c in curves
    ]


_PANELS = {"logistic": _logistic, "divergence": _divergence, "markov": _markov}


def _path(data: list[dict], styles: dict[str, Style], legend: bool):
    """The mean path in the plane of both distances; the end is marked."""
    look = channels(styles, legend)
    last = max(mark["step"] for mark in data)
    shown = [m for m in data if m["forget_distance"] > 0 and m["retain_distance"] > 0]
    scale = altair.Scale(type="log")
    x = altair.X("forget_distance:Q", title="Forget distance", scale=scale)
    y = altair.Y("retain_distance:Q", title="Retain distance", scale=scale)
    line = altair.Chart(inline_data(shown)).mark_line(strokeWidth=2)
    ends = altair.Chart(inline_data([m for m in shown if m["step"] == last]))
    tooltip = ["label:N", "forget_distance:Q", "retain_distance:Q"]
    return altair.layer(
        line.encode(x=x, y=y, order="step:Q", opacity=emphasis(0.95, 0.1), **look),
        ends.mark_point(filled=True, size=64).encode(
            x=x, y=y, tooltip=tooltip, color=look["color"], opacity=emphasis(1, 0.1)
        ),
    )

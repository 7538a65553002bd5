"""Forget quality of halves of the forget set: table columns and figure."""

import altair

from unlearning.benchmarks.tofu.reporting.results import Evaluated, SplitResults
from unlearning.benchmarks.tofu.strata import LENGTH, MEMORISATION, PAIRS
from unlearning.reporting.charts import MEANINGFUL, Panel, emphasis, inline_data, log_fq_axis
from unlearning.reporting.labels import p_value
from unlearning.reporting.palette import Style, channels
from unlearning.reporting.statistics import mean_metrics

ROW_HEIGHT = 26
HEADS = {LENGTH: "short ○ and long ● answers", MEMORISATION: "weakly ○ and strongly ● memorised"}


def keys(split: SplitResults) -> list[str]:
    """The metrics of the table: p and its logarithm in each stratum."""
    return [
        f"{metric}@{name}"
        for pair in PAIRS
        for name in pair
        if name in split.strata
        for metric in ("forget_quality", "log10_forget_quality")
    ]


def panels(split: SplitResults, styles: dict[str, Style]) -> list[Panel]:
    """A panel for each pair of strata: log10 FQ of both halves, a line for each variant."""
    groups = [[split.target], split.retrained, *split.variants().values()]
    return [found for pair in PAIRS if (found := _panel(split, groups, pair, styles))]


def _panel(
    split: SplitResults, groups: list[list[Evaluated]], pair: tuple[str, str], styles
) -> Panel | None:
    marks = [mark for models in groups for name in pair for mark in _marks(models, name)]
    if not marks:
        return None
    labels = list(dict.fromkeys(mark["label"] for mark in marks))
    look = {label: styles[label] for label in labels}
    chart = _chart(marks, pair, look)
    return Panel(f"{split.split}: {HEADS[pair]}", chart, ROW_HEIGHT * len(labels) + 20)


def _marks(models: list[Evaluated], stratum: str) -> list[dict]:
    """Every seed of a variant, and their mean; none where the stratum was not tested."""
    metric = f"log10_forget_quality@{stratum}"
    tested = [model for model in models if metric in model.metrics]
    if not tested:
        return []
    mean = ("mean", mean_metrics([model.metrics for model in tested]))
    return [
        {
            "label": tested[0].label,
            "seed": str(seed),
            "stratum": stratum,
            "log10_fq": metrics[metric],
            "fq_text": p_value(metrics[f"forget_quality@{stratum}"]),
        }
        for seed, metrics in [*((model.seed, model.metrics) for model in tested), mean]
    ]


def _chart(marks: list[dict], pair: tuple[str, str], styles: dict[str, Style]):
    x = log_fq_axis([mark["log10_fq"] for mark in marks], altair.X)
    axis = altair.Axis(labelLimit=240, grid=True)
    y = altair.Y("label:N", sort=list(styles), title=None, axis=axis)
    colour = channels(styles, legend=False)["color"]
    line = altair.Chart(inline_data([{"log10_fq": MEANINGFUL}])).mark_rule(
        strokeDash=[4, 4], color="#8a94a3", strokeWidth=1
    )
    means = [mark for mark in marks if mark["seed"] == "mean"]
    between = altair.Chart(inline_data(means)).mark_line(strokeWidth=2)
    layers = [
        line.encode(x=x),
        between.encode(x=x, y=y, color=colour, opacity=emphasis(0.6, 0.1)),
    ]
    for stratum in pair:
        filled = stratum == pair[1]
        for mean in (False, True):
            chosen = [m for m in marks if m["stratum"] == stratum and (m["seed"] == "mean") == mean]
            points = altair.Chart(inline_data(chosen)).mark_point(
                filled=filled, size=110 if mean else 22, strokeWidth=2 if mean else 1
            )
            opacity = emphasis(1, 0.12) if mean else emphasis(0.4, 0.05, 0.8)
            layers.append(points.encode(x=x, y=y, color=colour, opacity=opacity, tooltip=_TOOLTIP))
    return altair.layer(*layers)


_TOOLTIP = [
    altair.Tooltip("label:N", title="Model"),
    altair.Tooltip("seed:N", title="Seed"),
    altair.Tooltip("stratum:N", title="Stratum"),
    altair.Tooltip("fq_text:N", title="Forget quality"),
    altair.Tooltip("log10_fq:Q", title="log10 FQ", format=".2f"),
]

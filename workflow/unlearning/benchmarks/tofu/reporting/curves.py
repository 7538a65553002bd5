"""Curves over epochs: unlearning trajectories and relearning attacks."""

import altair

from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.benchmarks.tofu.reporting.scatter import FIELDS, TOOLTIP
from unlearning.benchmarks.tofu.reporting.trajectories import Point, state_at
from unlearning.reporting.charts import Panel, emphasis, inline_data, log_fq_axis, threshold
from unlearning.reporting.labels import attack_title, p_value
from unlearning.reporting.palette import Style, channels
from unlearning.reporting.statistics import mean_metrics


def records(points: list[Point]) -> list[dict]:
    """Points as marks: label, seed, epoch, and what they have of log10 FQ, FQ and MU."""
    return [_record(p.label, str(p.cell.seed), p.epoch, p.metrics) for p in points]


def means(points: list[Point]) -> list[dict]:
    """The mean over seeds at each epoch of each variant; `last` marks where a curve ends.

    A run that collapsed early keeps its last state: the mean at later epochs counts it, and no
    mean stands at the odd epoch where only this run was evaluated.
    """
    variants: dict[str, dict[int, list[Point]]] = {}
    for point in points:
        variants.setdefault(point.label, {}).setdefault(point.cell.seed, []).append(point)
    return [mark for label, runs in variants.items() for mark in _means(label, [*runs.values()])]


def _means(label: str, runs: list[list[Point]]) -> list[dict]:
    last = max(run[-1].epoch for run in runs)
    early = {run[-1].epoch for run in runs if run[-1].epoch < last}
    reached = {p.epoch for run in runs for p in run if p is not run[-1] or p.epoch not in early}
    marks = []
    for epoch in sorted(reached):
        states = [state for run in runs if (state := state_at(run, epoch)) is not None]
        mean = mean_metrics([state.metrics for state in states])
        mark = _record(label, f"mean of {len(states)}", epoch, mean)
        marks.append({**mark, "last": epoch == last})
    return marks


def trajectory_panels(
    split: SplitResults, styles: dict[str, Style], legend: bool = False
) -> list[Panel]:
    """log10 FQ and MU by epoch, and the path in the plane of both."""
    present = shown_styles(styles, split.courses)
    with_utility = [p for p in split.courses if "model_utility" in p.metrics]
    quality = log_fq_axis([r["log10_fq"] for r in records(split.courses)])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1]))
    epoch = altair.X("epoch:Q", title="Epoch", axis=altair.Axis(tickMinStep=1))
    x = altair.X("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1]))
    return [
        Panel(
            f"{split.split}: forget quality",
            _curves(split.courses, present, legend, epoch, quality, threshold()),
        ),
        Panel(
            f"{split.split}: model utility", _curves(with_utility, present, legend, epoch, utility)
        ),
        Panel(
            f"{split.split}: path through both",
            _curves(with_utility, present, legend, x, quality, threshold()),
        ),
    ]


def relearning_panels(
    split: SplitResults, styles: dict[str, Style], legend: bool = False
) -> list[Panel]:
    """log10 FQ by epoch of each relearning attack."""
    present = shown_styles(styles, split.attacks)
    quality = log_fq_axis([r["log10_fq"] for r in records(split.attacks)])
    epoch = altair.X("epoch:Q", title="Epoch of relearning", axis=altair.Axis(tickMinStep=1))
    panels = []
    for attack in dict.fromkeys(point.attack for point in split.attacks):
        points = [p for p in split.attacks if p.attack == attack]
        title = f"{split.split}: {attack_title(attack)}"
        panels.append(Panel(title, _curves(points, present, legend, epoch, quality, threshold())))
    return panels


def shown_styles(styles: dict[str, Style], points: list) -> dict[str, Style]:
    """The styles of the labels that occur, for a legend without strangers."""
    labels = {point.label for point in points}
    return {label: style for label, style in styles.items() if label in labels}


def _curves(points: list[Point], styles: dict[str, Style], legend: bool, x, y, *below):
    """Mean curves with points; seeds as faint lines, on the page only for a chosen variant."""
    look = channels(styles, legend)
    order = altair.Order("epoch:Q")
    seeds = altair.Chart(inline_data(records(points)))
    mean = altair.Chart(inline_data(means(points)))
    tooltip = [*TOOLTIP[:2], altair.Tooltip("epoch:Q", title="Epoch", format=".3~g"), *TOOLTIP[2:]]
    marks = mean.mark_point(filled=True)
    size = altair.SizeValue(26, condition={"test": "datum.last", "value": 64})
    return altair.layer(
        *below,
        seeds.mark_line(strokeWidth=1).encode(
            x=x,
            y=y,
            order=order,
            detail="seed:N",
            opacity=emphasis(0.25 if legend else 0, 0, 0.6),
            **look,
        ),
        mean.mark_line(strokeWidth=2.2).encode(
            x=x, y=y, order=order, opacity=emphasis(0.95, 0.1), **look
        ),
        marks.encode(
            x=x, y=y, tooltip=tooltip, opacity=emphasis(1, 0.1), color=look["color"], size=size
        ),
    )


def _record(label: str, seed: str, epoch: float, metrics: dict[str, float]) -> dict:
    values = {field: metrics[metric] for field, metric in FIELDS.items() if metric in metrics}
    text = p_value(values["fq"])
    return {"label": label, "seed": seed, "epoch": epoch, **values, "fq_text": text}

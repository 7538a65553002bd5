"""Training losses of the unlearning runs, one small panel for each variant."""

import altair

from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.benchmarks.tofu.reporting.trajectories import LossCurve
from unlearning.reporting.charts import Panel, inline_data
from unlearning.reporting.palette import Style

MOST_STEPS = 120  # of a run on the page; longer ones are thinned evenly


def loss_panels(split: SplitResults, styles: dict[str, Style]) -> list[Panel]:
    """Loss by step; every seed is a line. Scales differ: losses of methods do not compare."""
    by_label: dict[str, list[LossCurve]] = {}
    for run in split.losses:
        by_label.setdefault(run.label, []).append(run)
    return [
        Panel(label, _chart(runs, styles[label]), height=130)
        for label, runs in by_label.items()
        if label in styles
    ]


def thinned(values: list[float | None], most: int = MOST_STEPS) -> list[tuple[int, float]]:
    """(step, loss) of at most `most` steps, the first and the last among them; no null."""
    stride = max(1, -(-(len(values) - 1) // (most - 1)))
    steps = [*range(0, len(values), stride)]
    if values and steps[-1] != len(values) - 1:
        steps.append(len(values) - 1)
    return [(step + 1, values[step]) for step in steps if values[step] is not None]


def _chart(runs: list[LossCurve], style: Style):
    data = [
        {"step": step, "loss": float(f"{loss:.4g}"), "seed": run.cell.seed}
        for run in runs
        for step, loss in thinned(run.values)
    ]
    chart = altair.Chart(inline_data(data))
    return chart.mark_line(strokeWidth=1.3, color=style.colour, opacity=0.75).encode(
        x=altair.X("step:Q", title=None, axis=altair.Axis(tickCount=4)),
        y=altair.Y(
            "loss:Q", title=None, axis=altair.Axis(tickCount=4), scale=altair.Scale(zero=False)
        ),
        detail="seed:N",
        tooltip=["seed:N", "step:Q", altair.Tooltip("loss:Q", format=".4~g")],
    )

"""Training losses of the unlearning runs, one small panel for each variant."""

from collections import Counter

import altair

from unlearning.reporting.charts.bands import short
from unlearning.reporting.charts.palette import Style
from unlearning.reporting.charts.specs import Panel, inline_data
from unlearning.reporting.labels import model_label, run_title
from unlearning.reporting.section import Content, Figure

TITLE = "Losses"
FIGURES = {"losses": "Training loss by step of unlearning, a line for each of the first runs."}
NOTE = "No unlearning run has been evaluated yet."
MOST_RUNS = 5
MOST_STEPS = 120  # of a run on the page; longer ones are thinned evenly


def content(report) -> Content:
    """Runs are lines. Scales differ: losses of different methods do not compare."""
    runs: dict[tuple[str, str], list[dict]] = {}
    drawn: Counter[tuple[str, str]] = Counter()
    for cell, losses in report.results.details["losses"]:
        panel = (cell.split, model_label(cell.method, dict(cell.hyper)))
        drawn[panel] += 1
        if drawn[panel] > MOST_RUNS:
            continue
        seed = run_title(cell.draw, cell.seed)
        for step, loss in thinned(losses):
            line = {"step": step, "loss": short(loss), "seed": seed}
            runs.setdefault(panel, []).append(line)
    several = len(report.results.splits) > 1  # else the split's name in each title is noise
    panels = []
    for (split, label), lines in runs.items():
        title = f"{split}: {label}" if several else label
        panels.append(Panel(title, _chart(lines, report.styles[label]), 130))
    figure = Figure(panels, "small", columns=4, width=200, note="" if panels else NOTE)
    return Content(figures={"losses": figure}, empty=not panels)


def thinned(values: list[float | None], most: int = MOST_STEPS) -> list[tuple[int, float]]:
    """(step, loss) of at most `most` steps, the first and the last among them; no null."""
    # Rounded up, so that with the last step there are no more than `most`.
    stride = max(1, -(-(len(values) - 1) // (most - 1)))
    steps = [*range(0, len(values), stride)]
    if values and steps[-1] != len(values) - 1:
        steps.append(len(values) - 1)
    points = []
    for step in steps:
        if (value := values[step]) is not None:  # the loss of a collapse, which JSON cannot hold
            points.append((step + 1, value))
    return points


def _chart(lines: list[dict], style: Style):
    axis = altair.Axis(tickCount=4)
    chart = altair.Chart(inline_data(lines))
    return chart.mark_line(strokeWidth=1.3, color=style.colour, opacity=0.75).encode(
        x=altair.X("step:Q", title=None, axis=axis),
        y=altair.Y("loss:Q", title=None, axis=axis, scale=altair.Scale(zero=False)),
        detail="seed:N",
        tooltip=["seed:N", "step:Q", altair.Tooltip("loss:Q", format=".4~g")],
    )

"""Divergence on the page: the forget set's log-probability by step, and which fit is closer."""

from dataclasses import dataclass, replace

from unlearning.analysis.quantities import GROWTH
from unlearning.benchmarks.tofu.reporting.divergence import Divergence
from unlearning.benchmarks.tofu.reporting.results import Results, SplitResults
from unlearning.reporting.bands import curve_chart, fitted_panel, marks
from unlearning.reporting.charts import Panel
from unlearning.reporting.csv_files import CELL, csv_text
from unlearning.reporting.labels import decimal
from unlearning.reporting.palette import Style
from unlearning.reporting.statistics import spread

FALL = "Fall of log-probability"
COLUMNS = {
    f"divergence_{key}": FALL if key == "drift" else quantity.title
    for key, quantity in GROWTH.items()
}


@dataclass(frozen=True)
class Line:
    """A variant: (mean, mean in words, deviation in words) of each quantity."""

    label: str
    cells: list[tuple[float | None, str, str]]
    steps: float
    collapsed: int
    seeds: int


def variants(split: SplitResults) -> dict[str, list[Divergence]]:
    """Label -> its seeds."""
    found: dict[str, list[Divergence]] = {}
    for run in split.divergence:
        found.setdefault(run.label, []).append(run)
    return found


def panels(split: SplitResults, styles: dict[str, Style], legend: bool = False) -> list[Panel]:
    """All variants' log-probability on one pair of axes, then each one's fall with both fits."""
    found = variants(split)
    if not found:
        return []
    look = {label: replace(styles[label], dash=(1, 0)) for label in found}  # dots are a fit here
    data = [
        mark
        for runs in found.values()
        for mark in marks(runs, ["log_probability"], floor=float("-inf"))
    ]
    title = "Log-probability of the forget set"
    together = curve_chart(data, "log_probability", title, look, legend)
    return [
        Panel(f"{split.split}: log-probability of a forget answer, nats", together),
        *(
            fitted_panel(f"{split.split}: {label}", runs, FALL, look, legend)
            for label, runs in found.items()
        ),
    ]


def lines(split: SplitResults) -> list[Line]:
    """One line for each variant."""
    return [_line(label, runs) for label, runs in variants(split).items()]


def _line(label: str, runs: list[Divergence]) -> Line:
    cells: list[tuple[float | None, str, str]] = []
    for key in COLUMNS:
        found = spread(run.metrics().get(key) for run in runs)
        if found is None:
            cells.append((None, "–", ""))
        else:
            cells.append((found.mean, decimal(found.mean), decimal(found.sd) if found.sd else ""))
    steps = max(run.curves["step"][-1] for run in runs)
    return Line(label, cells, steps, sum(run.collapsed for run in runs), len(runs))


def divergence_table(results: Results) -> str:
    """CSV with one line per run and evaluated step."""
    names = ("step", "log_probability", "drift")
    rows = [
        [run.cell.split, run.cell.method, run.cell.variant, run.label, run.cell.seed, *values]
        for split in results.splits
        for run in split.divergence
        for values in zip(*(run.curves[name] for name in names), strict=True)
    ]
    return csv_text((*CELL, *names), rows)

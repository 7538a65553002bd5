"""Gradient weights by epoch and against answer length: panels, lines of the table, CSV."""

from dataclasses import dataclass

import altair
import numpy

from unlearning.benchmarks.tofu.reporting.results import Results, SplitResults
from unlearning.benchmarks.tofu.reporting.weights import RowWeights
from unlearning.reporting.charts import Panel, inline_data
from unlearning.reporting.csv_files import CELL, csv_text
from unlearning.reporting.labels import decimal
from unlearning.reporting.palette import Style
from unlearning.reporting.statistics import mean_metrics

MEASURES = {
    "weight": "Mean",
    "weight_spread": "Spread over rows",
    "weight_length_correlation": "Rank corr. with length",
    "weight_memorisation_correlation": "Rank corr. with memorisation",
}
_QUANTILES = {"lowest": 0.05, "low": 0.25, "median": 0.5, "high": 0.75, "highest": 0.95}
_WHEN = {"start": "#9aa5b1", "early": "#D55E00", "end": "#1f2933"}  # with the colour of each


@dataclass(frozen=True)
class Line:
    """A variant at one of its epochs: (mean over seeds, in words) of each measure."""

    label: str
    epoch: str
    cells: list[tuple[float | None, str]]


def by_variant(split: SplitResults) -> dict[str, dict[float, list[RowWeights]]]:
    """Label -> epoch -> the seeds' weights; only epochs that every seed reached."""
    courses: dict[str, list[list[RowWeights]]] = {}
    for course in split.weights:
        courses.setdefault(course[0].label, []).append(course)
    found = {}
    for label, runs in courses.items():
        epochs: dict[float, list[RowWeights]] = {}
        for weights in (w for run in runs for w in run):
            epochs.setdefault(weights.epoch, []).append(weights)
        found[label] = {e: seeds for e, seeds in epochs.items() if len(seeds) == len(runs)}
    return found


def lines(split: SplitResults) -> list[Line]:
    """Each variant at the start, after its first evaluated epoch and at the end."""
    return [
        _line(label, epoch, seeds)
        for label, epochs in by_variant(split).items()
        for epoch, seeds in _told(epochs).values()
    ]


def _told(epochs: dict[float, list[RowWeights]]) -> dict[str, tuple[float, list[RowWeights]]]:
    """The epochs of _WHEN, the start first; `early` only with points on the way."""
    ordered = sorted(epochs.items())
    places = (0, 1, len(ordered) - 1) if len(ordered) > 2 else (0, None, len(ordered) - 1)
    return {
        when: ordered[place]
        for when, place in zip(_WHEN, places, strict=True)
        if place is not None and (when == "start" or place > 0)
    }


def _line(label: str, epoch: float, seeds: list[RowWeights]) -> Line:
    mean = mean_metrics([weights.describe() for weights in seeds])
    values = [mean.get(measure) for measure in MEASURES]
    return Line(label, f"{epoch:g}", [(v, "–" if v is None else decimal(v)) for v in values])


def epoch_panels(split: SplitResults, styles: dict[str, Style]) -> list[Panel]:
    """The distribution over rows and seeds by epoch: median, middle half, middle 90%."""
    return [
        Panel(label, _distribution(epochs, styles[label]), height=150)
        for label, epochs in by_variant(split).items()
    ]


def length_panels(split: SplitResults) -> list[Panel]:
    """Each row's mean weight over seeds against the length of its answer."""
    return [
        Panel(label, _scatter(epochs), height=190) for label, epochs in by_variant(split).items()
    ]


def _distribution(epochs: dict[float, list[RowWeights]], style: Style):
    data = []
    for epoch, seeds in sorted(epochs.items()):
        pooled = numpy.concatenate([weights.values for weights in seeds])
        cut = {name: _short(numpy.quantile(pooled, q)) for name, q in _QUANTILES.items()}
        data.append({"epoch": epoch, **cut})
    base = altair.Chart(inline_data(data)).encode(
        x=altair.X("epoch:Q", title=None, axis=altair.Axis(tickMinStep=1, tickCount=5))
    )
    y = altair.Y("lowest:Q", title=None, axis=altair.Axis(tickCount=4))
    middle = altair.Y("median:Q")
    tooltip = [altair.Tooltip(f"{n}:Q", format=".3~g") for n in ("epoch", *_QUANTILES)]
    return altair.layer(
        base.mark_area(color=style.colour, opacity=0.15).encode(y=y, y2="highest:Q"),
        base.mark_area(color=style.colour, opacity=0.3).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=style.colour, strokeWidth=2).encode(y=middle),
        base.mark_point(color=style.colour, filled=True).encode(y=middle, tooltip=tooltip),
    )


def _scatter(epochs: dict[float, list[RowWeights]]):
    told = _told(epochs)
    names = {when: f"{epoch:g}" for when, (epoch, _) in told.items()}
    data = [
        {"tokens": tokens, "weight": _short(value), "when": names[when]}
        for when, (_, seeds) in told.items()
        for tokens, value in zip(
            seeds[0].tokens.tolist(), sum(w.values for w in seeds) / len(seeds), strict=True
        )
    ]
    scale = altair.Scale(domain=list(names.values()), range=[_WHEN[when] for when in names])
    legend = altair.Legend(title="Epoch", orient="bottom", titleOrient="left", symbolOpacity=1)
    return (
        altair.Chart(inline_data(data))
        .mark_point(size=20, opacity=0.55)
        .encode(
            x=altair.X("tokens:Q", title="Tokens of the answer", scale=altair.Scale(zero=False)),
            y=altair.Y("weight:Q", title=None, axis=altair.Axis(tickCount=4)),
            color=altair.Color("when:N", scale=scale, legend=legend),
            tooltip=[
                altair.Tooltip("when:N", title="Epoch"),
                "tokens:Q",
                altair.Tooltip("weight:Q", format=".3~g"),
            ],
        )
    )


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def weights_table(results: Results) -> str:
    """CSV with one line per run and evaluated epoch."""
    found = [w for split in results.splits for course in split.weights for w in course]
    rows = []
    for weights in found:
        cell, described = weights.cell, weights.describe()
        rows.append(
            [cell.split, cell.method, cell.variant, weights.label, cell.seed, weights.epoch]
            + [described.get(measure) for measure in MEASURES]
        )
    return csv_text((*CELL, "epoch", *MEASURES), rows)

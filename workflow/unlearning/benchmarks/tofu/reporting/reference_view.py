"""Forget quality and utility of a method against the reference model that it was given."""

from dataclasses import dataclass

import altair

from unlearning.benchmarks.tofu.reporting.results import Evaluated, SplitResults
from unlearning.methods.references import TARGET
from unlearning.reporting.charts import Panel, inline_data, log_fq_axis, threshold
from unlearning.reporting.labels import metric_text, model_label
from unlearning.reporting.statistics import spread

COLUMNS = {
    "forget_quality": "FQ",
    "log10_forget_quality": "log₁₀ FQ",
    "model_utility": "MU",
    "early_weight": "Early gradient weight",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


@dataclass(frozen=True)
class Line:
    """A method with one of its references: (mean, in words, standard deviation) of each column."""

    method: str
    reference: str
    seeds: int
    cells: list[tuple[float | None, str, str]]


Groups = dict[str, dict[str, list[Evaluated]]]


def groups(split: SplitResults) -> Groups:
    """Method with its other values -> reference -> seeds, of what was run with other references."""
    found: Groups = {}
    for models in split.variants().values():
        hyper = dict(models[0].hyper)
        reference = hyper.pop("reference", TARGET)
        found.setdefault(model_label(models[0].method, hyper), {})[reference] = models
    return {label: given for label, given in found.items() if set(given) - {TARGET}}


def lines(split: SplitResults) -> list[Line]:
    """The table: every method with every reference."""
    return [
        Line(label, reference, len(models), [_cell(models, key) for key in COLUMNS])
        for label, given in groups(split).items()
        for reference, models in given.items()
    ]


def _cell(models: list[Evaluated], key: str) -> tuple[float | None, str, str]:
    found = spread(model.metrics.get(key) for model in models)
    if found is None:
        return None, "–", ""
    sd = "" if found.sd is None else metric_text(key, found.sd)
    return found.mean, metric_text(key, found.mean), sd


def panels(split: SplitResults) -> list[Panel]:
    """log10 FQ and MU by reference: seeds and their means; a line for each method."""
    grouped = groups(split)
    if not grouped:
        return []
    marks = [
        {
            "method": label,
            "reference": reference,
            "seed": str(model.seed),
            "log10_fq": model.metrics["log10_forget_quality"],
            "mu": model.metrics["model_utility"],
        }
        for label, given in grouped.items()
        for reference, models in given.items()
        for model in models
    ]
    quality = log_fq_axis([mark["log10_fq"] for mark in marks])
    utility = altair.Y("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1]))
    return [
        Panel(f"{split.split}: forget quality by reference", _chart(marks, quality, threshold())),
        Panel(f"{split.split}: model utility by reference", _chart(marks, utility)),
    ]


def _chart(marks: list[dict], y: altair.Y, *below):
    order = list(dict.fromkeys(mark["reference"] for mark in marks))
    methods = list(dict.fromkeys(mark["method"] for mark in marks))
    scale = altair.Scale(domain=methods, range=list(_COLOURS[: len(methods)]))
    legend = altair.Legend(title=None, orient="bottom", symbolOpacity=1)
    axis = altair.Axis(labelAngle=-30)
    base = altair.Chart(inline_data(marks)).encode(
        x=altair.X("reference:N", sort=order, title="Reference model", axis=axis),
        color=altair.Color("method:N", scale=scale, legend=legend),
    )
    mean = y.copy()
    mean.aggregate = "mean"
    tooltip = ["method:N", "reference:N", "seed:N", y.shorthand]
    return altair.layer(
        *below,
        base.mark_point(size=40, filled=True, opacity=0.4).encode(y=y, tooltip=tooltip),
        base.mark_point(size=150, filled=True).encode(y=mean),
        base.mark_line(opacity=0.35, strokeDash=[3, 3]).encode(y=mean),
    )

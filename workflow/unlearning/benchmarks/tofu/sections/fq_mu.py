"""Forget quality against model utility: every run, and the mean of every variant."""

import altair

from unlearning.benchmarks.tofu.sections.marks import TOOLTIP, marks
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import (
    Panel,
    emphasis,
    inline_data,
    log_fq_axis,
    threshold,
    utility_axis,
)
from unlearning.reporting.frame import RUN, finals
from unlearning.reporting.section import Content, Figure

TITLE = "Trade-off"
FIGURES = {
    "fq_mu": "Forget quality (log10 of the KS p-value) against model utility: runs, their means, "
    "target and retrained models; the dashed line is 0.05."
}


def content(report) -> Content:
    """One panel for each split."""
    models = finals(report.frame)
    panels = [_panel(report, *part) for part in models.groupby("split", sort=False)]
    return Content(figures={"fq_mu": Figure(panels, width=420)})


def _panel(report, split: str, models) -> Panel:
    """The retrained mark stands at the noise floor."""
    # Target and retrained models are drawn as means alone.
    variants = models[models["label"].isin(list(report.results.variants[split]))]
    runs = marks(variants, RUN, ["log10_fq", "mu"])
    means = marks(models, [], ["log10_fq", "mu"])
    y = log_fq_axis([mark["log10_fq"] for mark in (*runs, *means)])
    x = utility_axis()
    look = channels(report.styles, means, shape=True)
    small = altair.Chart(inline_data(runs)).mark_point(size=42, filled=True)
    large = altair.Chart(inline_data(means)).mark_point(
        size=190, filled=True, stroke="white", strokeWidth=1.2
    )
    layers = [
        threshold(),
        small.encode(x=x, y=y, tooltip=TOOLTIP, opacity=emphasis(0.38, 0.05, 0.8), **look),
        large.encode(x=x, y=y, tooltip=TOOLTIP, opacity=emphasis(1, 0.12), **look),
    ]
    return Panel(split, altair.layer(*layers), height=380)

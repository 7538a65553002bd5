"""Forget quality against model utility: every seed, and the mean of every variant."""

import altair

from unlearning.benchmarks.tofu.reporting.results import Evaluated, SplitResults
from unlearning.reporting.charts import Panel, emphasis, inline_data, log_fq_axis, threshold
from unlearning.reporting.labels import RETRAIN, metric_text
from unlearning.reporting.palette import Style, channels
from unlearning.reporting.statistics import mean_metrics

FIELDS = {"log10_fq": "log10_forget_quality", "fq": "forget_quality", "mu": "model_utility"}
TOOLTIP = [
    altair.Tooltip("label:N", title="Model"),
    altair.Tooltip("seed:N", title="Seed"),
    altair.Tooltip("fq_text:N", title="Forget quality"),
    altair.Tooltip("log10_fq:Q", title="log10 FQ", format=".2f"),
    altair.Tooltip("mu:Q", title="Model utility", format=".3f"),
]


def record(label: str, seed: int | str, metrics: dict[str, float]) -> dict | None:
    """A mark; None for a model without forget quality or utility."""
    if not all(metric in metrics for metric in FIELDS.values()):
        return None
    values = {field: metrics[metric] for field, metric in FIELDS.items()}
    text = metric_text("forget_quality", values["fq"])
    return {"label": label, "seed": str(seed), **values, "fq_text": text}


def scatter_panel(split: SplitResults, styles: dict[str, Style], legend: bool = False) -> Panel:
    """log10 FQ over MU for one split; the retrained mark stands at the noise floor."""
    seeds = [record(m.label, m.seed, m.metrics) for m in split.unlearned]
    means = [_mean(models, split) for models in (*split.variants().values(), split.retrained)]
    means.append(record(split.target.label, split.target.seed, split.target.metrics))
    seeds, means = [r for r in seeds if r], [r for r in means if r]
    y = log_fq_axis([r["log10_fq"] for r in (*seeds, *means)])
    x = altair.X("mu:Q", title="Model utility", scale=altair.Scale(domain=[0, 1], nice=False))
    look = channels(styles, legend, shape=True)
    small = altair.Chart(inline_data(seeds)).mark_point(size=42, filled=True)
    large = altair.Chart(inline_data(means)).mark_point(
        size=190, filled=True, stroke="white", strokeWidth=1.2
    )
    layers = [
        threshold(),
        small.encode(x=x, y=y, tooltip=TOOLTIP, opacity=emphasis(0.38, 0.05, 0.8), **look),
        large.encode(x=x, y=y, tooltip=TOOLTIP, opacity=emphasis(1, 0.12), **look),
    ]
    return Panel(split.split, altair.layer(*layers), height=380)


def _mean(models: list[Evaluated], split: SplitResults) -> dict | None:
    """The mean mark of the seeds of a variant, or of the retrained models."""
    metrics = mean_metrics([model.metrics for model in models])
    if models[0].method == RETRAIN:
        metrics.update(split.noise_floor)
    return record(models[0].label, f"mean of {len(models)}", metrics)

"""Figures of a MUSE experiment: metrics over the size of the forget set, and over requests."""

import altair

from unlearning.benchmarks.muse.metrics import METRICS as MUSE
from unlearning.benchmarks.muse.results import MuseResults
from unlearning.benchmarks.muse.tables import FOLDS, folds
from unlearning.reporting.charts import Panel, emphasis, inline_data, notice_svg, svg
from unlearning.reporting.evaluated import SeedGroup
from unlearning.reporting.labels import ARROWS, NAMES, RETRAIN, TARGET
from unlearning.reporting.palette import REFERENCE_STYLES, Style, channels, variant_styles
from unlearning.reporting.statistics import spread

SHOWN = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")
FILES = {"scal": "scalability.svg", "sust": "sustainability.svg"}
NO_FOLDS = (
    "No run on further folds: set folds.splits, folds.methods and folds.seeds. MUSE-Books has none."
)
_AXES = {"scal": "Folds in the forget set", "sust": "Requests"}


def styles(results: MuseResults) -> dict[str, Style]:
    """Label -> style of the references and of every method with folds."""
    found = {g.first.label: g.first.method for kind in FOLDS for _, g in folds(results, kind)}
    return REFERENCE_STYLES | variant_styles(found)


def page_figures(
    results: MuseResults, look: dict[str, Style], legend: bool = False
) -> dict[str, list[Panel]]:
    """Kind of folds -> a panel for each metric; only kinds with runs."""
    found = {kind: folds(results, kind) for kind in FOLDS}
    return {
        kind: [_panel(results, kind, groups, name, look, legend) for name in SHOWN]
        for kind, groups in found.items()
        if groups
    }


def svg_figures(results: MuseResults, look: dict[str, Style]) -> dict[str, str]:
    """File name -> SVG; both always: one without runs says what to set."""
    panels = page_figures(results, look, legend=True)
    return {
        name: svg(panels[kind], columns=2) if kind in panels else notice_svg(NO_FOLDS)
        for kind, name in FILES.items()
    }


def _panel(
    results: MuseResults,
    kind: str,
    groups: list[tuple[int, SeedGroup]],
    metric: str,
    look: dict[str, Style],
    legend: bool,
) -> Panel:
    """Means as a line, one standard deviation as bars, seeds as small marks; the target and the
    retrained models as level lines."""
    labels = dict.fromkeys([*REFERENCE_STYLES, *(g.first.label for _, g in groups)])
    channel = channels({label: look[label] for label in labels}, legend)
    metric_title = MUSE[metric].title
    data = [mark for fold, group in groups if (mark := _mark(fold, group, metric))]
    x = altair.X(
        "fold:Q",
        title=_AXES[kind],
        scale=altair.Scale(zero=False, padding=12),
        axis=altair.Axis(values=sorted({fold for fold, _ in groups}), format="d"),
    )
    y = altair.Y("value:Q", title=f"{metric_title}, percent")
    means = altair.Chart(inline_data(data))
    seeds = altair.Chart(inline_data(_seeds(groups, metric)))
    tooltip = ["label:N", altair.Tooltip("fold:Q", title=_AXES[kind]), "value:Q", "seeds:N"]
    colour = channel["color"]
    chart = altair.layer(
        altair.Chart(inline_data(_references(results, metric)))
        .mark_rule(strokeWidth=1.3)
        .encode(y=y, tooltip=["label:N", "value:Q"], opacity=emphasis(0.8, 0.3), **channel),
        means.mark_rule(strokeWidth=1.5).encode(
            x=x, y="low:Q", y2="high:Q", color=colour, opacity=emphasis(0.8, 0.1)
        ),
        means.mark_line(strokeWidth=2).encode(x=x, y=y, opacity=emphasis(0.95, 0.1), **channel),
        means.mark_point(filled=True, size=50).encode(
            x=x, y=y, color=colour, tooltip=tooltip, opacity=emphasis(1, 0.1)
        ),
        seeds.mark_point(size=22).encode(x=x, y=y, color=colour, opacity=emphasis(0.6, 0.05)),
    )
    return Panel(f"{FOLDS[kind][0]}: {metric_title} {ARROWS[MUSE[metric].better]}", chart, 240)


def _mark(fold: int, group: SeedGroup, metric: str) -> dict | None:
    found = group.metric(metric)
    if found is None:
        return None
    own = {"label": group.first.label, "fold": fold, "seeds": f"mean of {found.n}"}
    sd = found.sd or 0.0
    return own | {
        "value": round(found.mean, 3),
        "low": round(found.mean - sd, 3),
        "high": round(found.mean + sd, 3),
    }


def _seeds(groups: list[tuple[int, SeedGroup]], metric: str) -> list[dict]:
    return [
        {"label": model.label, "fold": fold, "value": model.metrics[metric]}
        for fold, group in groups
        for model in group.models
        if metric in model.metrics
    ]


def _references(results: MuseResults, metric: str) -> list[dict]:
    """The target and the mean of the retrained models; both are the same for every fold."""
    found = []
    for method in (TARGET, RETRAIN):
        models = [model for model in results.models if model.method == method]
        if (own := spread(model.metrics.get(metric) for model in models)) is not None:
            found.append({"label": NAMES[method], "value": round(own.mean, 3)})
    return found

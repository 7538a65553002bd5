"""The page: one self-contained HTML file that opens without a network."""

from pathlib import Path

from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.reporting import (
    beside,
    divergence_view,
    figures,
    main_table,
    reference_view,
    strata_view,
    weights_view,
)
from unlearning.benchmarks.tofu.reporting.figures import styles
from unlearning.benchmarks.tofu.reporting.generations import browser_data
from unlearning.benchmarks.tofu.reporting.grids import RULE
from unlearning.benchmarks.tofu.reporting.harness_table import HarnessResults
from unlearning.benchmarks.tofu.reporting.overview import KEPT, overview
from unlearning.benchmarks.tofu.reporting.published import Model, PublishedNumbers, beside_ours
from unlearning.benchmarks.tofu.reporting.results import Results, SplitResults
from unlearning.benchmarks.tofu.reporting.story import summarise_experiment
from unlearning.reporting import comparison
from unlearning.reporting.claims import EXPLANATION, Verdict
from unlearning.reporting.cost import Cost
from unlearning.reporting.embed import json_block
from unlearning.reporting.provenance import provenance
from unlearning.reporting.template import fill


def render(
    template: Path,
    results: Results,
    verdicts: list[Verdict],
    costs: list[Cost],
    published: PublishedNumbers,
    harness: HarnessResults | None,
) -> str:
    """The page from its template; scripts and styles lie in `page/` beside the template."""
    look = styles(results)
    return fill(
        template,
        verdicts,
        costs,
        missing=[*results.missing, *(harness.missing if harness else [])],
        panels=figures.page_figures(results, look),
        more_scripts=["generations.js"],
        styles=look,
        harness=harness,
        figure_notes=figures.notes(results),
        rule=RULE,
        **_content(results, published),
    )


def _content(results: Results, published: PublishedNumbers) -> dict:
    """Everything but the figures."""
    further = main_table.measured(results.splits)
    return {
        "story": summarise_experiment(results),
        "splits": [
            {
                "name": split.split,
                "overview": overview(split),
                "tested": split.rows["forget"],
                "rows": main_table.rows(split, _by_label(results, published.models, split.split)),
                "further": main_table.rows(split, {}, further),
                **_analyses(split),
            }
            for split in results.splits
        ],
        "columns": main_table.columns(),
        "column_groups": main_table.groups(),
        "further_columns": main_table.columns(further),
        "further_groups": main_table.groups(further),
        "variant": results.experiment.config["evaluation"]["variant"],
        "named_retrained": results.experiment.config["retrained"] is not None,
        "kept": KEPT,
        "metrics": METRICS,
        "weight_columns": list(weights_view.MEASURES.values()),
        "divergence_columns": list(divergence_view.COLUMNS.values()),
        "reference_columns": list(reference_view.COLUMNS.values()),
        "claims_method": EXPLANATION,
        "published": published,
        "beside": beside.compared(results, published.models),
        "beside_method": comparison.EXPLANATION,
        "has_published": any(model.same for model in published.models),
        "provenance": provenance(results.experiment),
        "generations": json_block(browser_data(results)),
    }


def _analyses(split: SplitResults) -> dict:
    """Tables of a split's strata, gradient weights and reference models; each may be empty."""
    keys = strata_view.keys(split)
    return {
        "strata": split.strata,
        "strata_rows": main_table.rows(split, {}, keys),
        "strata_columns": main_table.columns(keys),
        "strata_groups": main_table.groups(keys),
        "weights": weights_view.lines(split),
        "references": reference_view.lines(split),
        "divergence": divergence_view.lines(split),
    }


def _by_label(results: Results, published: list[Model], split: str) -> dict:
    """Label -> published numbers of this experiment's own model, where there are any."""
    by_method = beside_ours(published, split, results.experiment)
    labels = {m.label: m.method for s in results.splits if s.split == split for m in s.models}
    return {label: by_method[method] for label, method in labels.items() if method in by_method}

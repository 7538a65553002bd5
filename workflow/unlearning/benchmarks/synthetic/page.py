"""The report of a synthetic experiment: CSV tables, and one self-contained page."""

from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.synthetic.figures import page_figures
from unlearning.benchmarks.synthetic.metrics import QUANTITIES
from unlearning.benchmarks.synthetic.results import METHOD, SyntheticResults, setting_title, stated
from unlearning.reporting.claims import Verdict
from unlearning.reporting.cost import Cost
from unlearning.reporting.csv_files import cost_table, csv_text
from unlearning.reporting.labels import decimal
from unlearning.reporting.palette import Style
from unlearning.reporting.provenance import distinct, provenance
from unlearning.reporting.statistics import Spread, spread
from unlearning.reporting.template import fill

CELL = ("study", "setting", "method", "label", "values")
STUDY_TITLES = {
    "logistic": "Forget and retain distance",
    "divergence": "Divergence speed",
    "markov": "Mixtures of Markov chains",
}


@dataclass(frozen=True)
class Line:
    """A row of a table. cells: (mean, spread, value) of each quantity, the first two in words."""

    setting: str
    label: str
    hyper: str
    cells: list[tuple[str, str, float | None]]
    seeds: int
    collapsed: int


def csv_tables(results: SyntheticResults, costs: list[Cost]) -> dict[str, str]:
    """File name -> CSV: main.csv (a line per quantity), cells.csv (a line per run and quantity),
    one file of curves for each study (a line per run and step), and cost.csv."""
    main, cells = [], []
    for run in results.runs:
        own = (run.study, run.setting, run.method, run.label, stated(run))
        cells += [(*own, run.seed, name, value) for name, value in run.values.items()]
    for study, setting, runs in _variants(results):
        own = (study, setting, runs[0].method, runs[0].label, stated(runs[0]))
        for name in QUANTITIES[study]:
            if found := spread(run.values.get(name) for run in runs):
                main.append((*own, name, found.mean, found.sd, found.n))
    curves = {}
    for study in results.experiment.studies:
        own = [run for run in results.runs if run.study == study]
        if own:
            names = list(own[0].curves)
            rows = [
                (run.setting, run.label, run.seed, *values)
                for run in own
                for values in zip(*(run.curves[name] for name in names), strict=True)
            ]
            curves[f"{study}.csv"] = csv_text(("setting", "label", "seed", *names), rows)
    return {
        "main.csv": csv_text((*CELL, "quantity", "mean", "sd", "n"), main),
        "cells.csv": csv_text((*CELL, "seed", "quantity", "value"), cells),
        **curves,
        "cost.csv": cost_table(costs),
    }


def _variants(results: SyntheticResults):
    """(study, setting, seeds of one variant), in the config's order."""
    for study in results.experiment.studies:
        for setting in results.experiment.settings_of(study):
            for runs in results.variants(study, setting).values():
                yield study, setting, runs


def _lines(results: SyntheticResults, study: str) -> list[Line]:
    lines = []
    for own, setting, runs in _variants(results):
        if own == study:
            cells = [
                _cell(spread(r.values.get(name) for r in runs), len(runs))
                for name in QUANTITIES[study]
            ]
            first, collapsed = runs[0], sum(run.collapsed is not None for run in runs)
            title = setting_title(setting)
            lines.append(Line(title, first.label, stated(first), cells, len(runs), collapsed))
    return lines


def _cell(found: Spread | None, seeds: int) -> tuple[str, str, float | None]:
    """Mean and spread in words, with the number of seeds where some have no value."""
    if found is None:
        return "–", "", None
    words = "" if found.sd is None else f"± {decimal(found.sd)}"
    if found.n < seeds:
        words += f" ({found.n} of {seeds} seeds)"
    return decimal(found.mean), words, found.mean


def render(
    template: Path,
    results: SyntheticResults,
    verdicts: list[Verdict],
    costs: list[Cost],
    styles: dict[str, Style],
) -> str:
    """The page from its template."""
    panels = page_figures(results, styles)
    experiment = results.experiment
    return fill(
        template,
        verdicts,
        costs,
        missing=results.missing,
        panels=panels,
        styles=styles,
        story={"experiment": experiment.config["experiment"]},
        jobs=(len(results.records), len(experiment.jobs())),
        studies=[
            {
                "name": study,
                "title": STUDY_TITLES[study],
                "seeds": len(section["seeds"]),
                "quantities": list(QUANTITIES[study].values()),
                "lines": _lines(results, study),
                "panels": panels[study],
            }
            for study, section in experiment.studies.items()
        ],
        claims_method=METHOD,
        provenance=provenance(experiment, distinct(results.records)),
    )

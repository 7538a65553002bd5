"""The report of a WMDP experiment: CSV tables, and one self-contained page."""

from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmarks.wmdp.metrics import METRICS as WMDP
from unlearning.benchmarks.wmdp.metrics import TITLES
from unlearning.benchmarks.wmdp.results import WmdpResults
from unlearning.reporting.claims import EXPLANATION, Verdict
from unlearning.reporting.comparison import EXPLANATION as BESIDE_METHOD
from unlearning.reporting.comparison import TOLD, Compared, published_columns
from unlearning.reporting.cost import Cost
from unlearning.reporting.csv_files import CELL, cost_table, csv_text, published_table
from unlearning.reporting.evaluated import SeedGroup, seed_groups
from unlearning.reporting.labels import ARROWS
from unlearning.reporting.provenance import provenance
from unlearning.reporting.published_models import PublishedModel, beside, compared
from unlearning.reporting.setup import base_model, recipe
from unlearning.reporting.template import fill

HEADS = {name: (metric.title, ARROWS[metric.better]) for name, metric in WMDP.items()}


@dataclass(frozen=True)
class Number:
    """A cell: mean, mean and deviation in words, and what is published beside it."""

    mean: float
    text: str
    sd: str
    published: str = ""
    where: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table."""

    label: str
    method: str
    cells: list[Number]
    seeds: int
    diverged: int


def csv_tables(
    results: WmdpResults, costs: list[Cost], published: list[PublishedModel]
) -> dict[str, str]:
    """File name -> CSV: main.csv (a line per metric, published numbers beside it), cells.csv (a
    line per model), published.csv (a line per published number of our own model) and cost.csv."""
    header = ("split", "method", "variant", "label", "metric", "mean", "sd", "n", "collapsed")
    main = []
    for group in seed_groups(results.models):
        known, first = beside(published, group, results.experiment), group.first
        for name in WMDP:
            found = group.metric(name)
            own = (first.split, first.method, first.variant, first.label, name)
            numbers = (found.mean, found.sd, found.n, group.diverged)
            main.append((*own, *numbers, *published_columns(known.get(name))))
    cells = [
        [m.split, m.method, m.variant, m.label, m.seed, *(m.metrics[name] for name in WMDP)]
        for m in results.models
    ]
    return {
        "main.csv": csv_text((*header, *TOLD), main),
        "cells.csv": csv_text((*CELL, *WMDP), cells),
        "published.csv": published_table(all_beside(results, published)),
        "cost.csv": cost_table(costs),
    }


def all_beside(results: WmdpResults, published: list[PublishedModel]) -> list[Compared]:
    """Every published number of our own model, whatever its source."""
    return compared(published, seed_groups(results.models), results.experiment)


def page_tables(results: WmdpResults, published: list[PublishedModel]) -> dict[str, list[Line]]:
    """Forget corpus -> a line for each label."""
    lines: dict[str, list[Line]] = {split: [] for split in results.splits}
    for group in seed_groups(results.models):
        lines[group.first.split].append(_line(group, beside(published, group, results.experiment)))
    return lines


def _line(group: SeedGroup, known: dict[str, Compared]) -> Line:
    cells = []
    for name in WMDP:
        found = group.metric(name)
        sd = "" if found.sd is None else f"{found.sd:.3f}"
        number = Number(found.mean, f"{found.mean:.3f}", sd)
        if (one := known.get(name)) is not None:
            number = Number(found.mean, number.text, sd, one.text, one.place)
        cells.append(number)
    first = group.first
    return Line(first.label, first.method, cells, len(group.models), group.diverged)


def story(results: WmdpResults) -> dict:
    """What the opening paragraph says."""
    experiment, config = results.experiment, results.experiment.config
    mini = config["data"]["source"] == "mini-wmdp"
    return {
        "experiment": config["experiment"],
        "mini": mini,
        "data": "germs and worms of the generated mini world" if mini else "WMDP's corpora",
        "splits": results.splits,
        "base": base_model(config["model"]),
        "recipe": recipe(config["unlearn"]),
        "most_steps": config["unlearn"]["max_steps"],
        "methods": experiment.methods,
        "evaluated": sum(model.epoch is not None for model in results.models),
        "planned": len(experiment.cells()),
        "tasks": {
            task: (TITLES.get(task, task), count) for task, count in results.documents.items()
        },
        "versions": results.versions,
    }


def render(
    template: Path,
    results: WmdpResults,
    verdicts: list[Verdict],
    costs: list[Cost],
    published: list[PublishedModel],
) -> str:
    """The page from its template."""
    return fill(
        template,
        verdicts,
        costs,
        missing=results.missing,
        story=story(results),
        columns=[(name, *HEADS[name], WMDP[name]) for name in WMDP],
        tables=page_tables(results, published),
        claims_method=EXPLANATION,
        published=published,
        published_columns=[(name, *HEADS[name], WMDP[name]) for name in WMDP],
        beside=all_beside(results, published),
        beside_method=BESIDE_METHOD,
        metrics=WMDP,
        provenance=provenance(results.experiment),
    )

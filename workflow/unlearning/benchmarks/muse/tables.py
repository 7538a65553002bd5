"""The tables of a MUSE experiment's report: CSV, and lines for the page."""

from dataclasses import dataclass, replace

from unlearning.benchmarks.muse.files import FORGET
from unlearning.benchmarks.muse.metrics import METRICS as MUSE
from unlearning.benchmarks.muse.results import MuseResults
from unlearning.reporting.comparison import TOLD, Compared, published_columns
from unlearning.reporting.cost import Cost
from unlearning.reporting.csv_files import CELL, cost_table, csv_text, published_table
from unlearning.reporting.evaluated import EvaluatedModel, SeedGroup, seed_groups
from unlearning.reporting.published_models import PublishedModel, beside, compared

# kind of folds -> title, what it is, and what its folds are counted in
FOLDS = {
    "scal": ("Scalability", "One run on a forget set of one to four folds.", "Folds"),
    "sust": (
        "Sustainability",
        "One request after the other, each a fold of its own.",
        "Requests",
    ),
}


@dataclass(frozen=True)
class Number:
    """A cell: mean and deviation in words, the mean, and what is published beside it."""

    text: str = "–"
    sd: str = ""
    mean: float | None = None
    published: str = ""
    where: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table: label, what it is of (fold or epoch), its numbers, seeds."""

    label: str
    method: str
    of: str
    cells: list[Number]
    seeds: int
    diverged: int


@dataclass(frozen=True)
class Table:
    """A table of the page. of: the head of the column that tells lines of a label apart, or ""."""

    id: str
    title: str
    explanation: str
    of: str
    lines: list[Line]


def csv_tables(
    results: MuseResults, costs: list[Cost], published: list[PublishedModel]
) -> dict[str, str]:
    """File name -> CSV: main.csv (a line per metric, published numbers beside it), cells.csv (a
    line per model), published.csv (a line per published number of our own model), cost.csv, and
    selected.csv (a line per run at its selected epoch) where trajectories are evaluated."""
    header = ("split", "method", "variant", "label", "metric", "mean", "sd", "n", "collapsed")
    main = []
    for group in seed_groups(results.models):
        known, first = beside(published, group, results.experiment), group.first
        for name in MUSE:
            if (s := group.metric(name)) is not None:
                own = (first.split, first.method, first.variant, first.label, name)
                main.append(
                    (*own, s.mean, s.sd, s.n, group.diverged, *published_columns(known.get(name)))
                )
    tables = {
        "main.csv": csv_text((*header, *TOLD), main),
        "cells.csv": csv_text((*CELL, *MUSE), [_record(m) for m in results.models]),
        "published.csv": published_table(all_beside(results, published)),
        "cost.csv": cost_table(costs),
    }
    if results.experiment.config["unlearn"]["trajectory"]:
        chosen = [[*_record(m), m.epoch] for m in results.selected]
        tables["selected.csv"] = csv_text((*CELL, *MUSE, "epoch"), chosen)
    return tables


def all_beside(results: MuseResults, published: list[PublishedModel]) -> list[Compared]:
    """Every published number of our own model, whatever its source."""
    return compared(published, seed_groups(results.models), results.experiment)


def _record(m: EvaluatedModel) -> list:
    values = [m.metrics.get(name) for name in MUSE]
    return [m.split, m.method, m.variant, m.label, m.seed, *values]


def columns(results: MuseResults) -> list[str]:
    """The metrics that some model has."""
    return [name for name in MUSE if any(name in m.metrics for m in results.models)]


def page_tables(results: MuseResults, published: list[PublishedModel]) -> list[Table]:
    """The main table, that of the selected epochs, and those of the folds; as far as they are."""
    shown = columns(results)

    def line(group: SeedGroup, of: str = "") -> Line:
        return _line(group, shown, of, beside(published, group, results.experiment))

    tables = [
        Table(
            "results",
            "Results",
            "Mean ± standard deviation over seeds, at the last epoch.",
            "",
            [line(found) for found in seed_groups(results.of(FORGET))],
        )
    ]
    if results.experiment.config["unlearn"]["trajectory"]:
        references = [m for m in results.of(FORGET) if m.epoch is None]
        tables.append(
            Table(
                "selected",
                "At the selected epoch",
                "The released stopping rule: the first evaluated epoch whose KnowMem_f is not "
                "above the retrained model's, the last one if none is.",
                "Epochs",
                [
                    line(found, ", ".join(f"{m.epoch:g}" for m in found.models if m.epoch))
                    for found in seed_groups([*references, *results.selected])
                ],
            )
        )
    for kind, (title, explanation, of) in FOLDS.items():
        lines = [line(found, str(fold)) for fold, found in folds(results, kind)]
        text = f"{explanation} VerbMem, KnowMem_f and PrivLeak are of the first fold."
        tables += [Table(kind, title, text, of, lines)] if lines else []
    return tables


def folds(results: MuseResults, kind: str) -> list[tuple[int, SeedGroup]]:
    """(number of folds or requests, seeds) of each label of a kind, fold 1 (the forget run of the
    same seeds) first."""
    later = [m for m in results.models if m.split.startswith(kind)]
    found = []
    for label in dict.fromkeys(model.label for model in later):
        own = [model for model in later if model.label == label]
        seeds = {model.seed for model in own}
        first = [m for m in results.of(FORGET) if m.label == label and m.seed in seeds]
        for group in seed_groups([*first, *own]):
            split = group.first.split
            found.append((1 if split == FORGET else int(split[-1]), group))
    return found


def _line(found: SeedGroup, shown: list[str], of: str, known: dict[str, Compared]) -> Line:
    cells = []
    for name in shown:
        spread, digits = found.metric(name), 3 if name == "min_k_auc" else 1
        if spread is None:
            cells.append(Number())
            continue
        sd = "" if spread.sd is None else f"{spread.sd:.{digits}f}"
        number = Number(f"{spread.mean:.{digits}f}", sd, spread.mean)
        if (one := known.get(name)) is not None:
            number = replace(number, published=one.text, where=one.place)
        cells.append(number)
    first = found.first
    return Line(first.label, first.method, of, cells, len(found.models), found.diverged)

"""The report on your own data: tables, figures and one page; the papers' claims are not judged."""

from pathlib import Path

from unlearning.benchmarks.own.figures import page_figures, styles, svg_figures
from unlearning.benchmarks.own.metrics import METRICS, SETS
from unlearning.benchmarks.own.results import OwnResults, read_own
from unlearning.config.experiment import Experiment
from unlearning.files import read_json, write_json, write_text
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.cost import Cost, read_costs
from unlearning.reporting.csv_files import CELL, cost_table, csv_text
from unlearning.reporting.evaluated import EvaluatedModel, seed_groups
from unlearning.reporting.harness import check_same_questions
from unlearning.reporting.labels import ARROWS, decimal, metric_text
from unlearning.reporting.provenance import provenance
from unlearning.reporting.setup import models, recipe
from unlearning.reporting.statistics import spread
from unlearning.reporting.template import fill

SHOWN_ANSWERS = 20  # forget questions whose answers the page shows


def write(
    experiment: Experiment,
    claims: list[Claim],
    published_file: Path | None,
    template: Path,
    out: Path,
) -> None:
    """Read and write; claims and published numbers are about other data."""
    results, costs = read_own(experiment), read_costs(experiment)
    tasks = accuracies(results)
    look = styles(results)
    write_json(out / "claims.json", [])
    for name, text in csv_tables(results, costs, tasks).items():
        write_text(out / "tables" / name, text)
    for name, text in svg_figures(results, look).items():
        write_text(out / "figures" / name, text)
    write_text(out / "index.html", page(template, results, costs, look, tasks))
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    print(f"{out / 'index.html'}: {len(results.models)} models")


def accuracies(results: OwnResults) -> dict[str, dict[str, float]]:
    """Task -> run -> accuracy, where harness tasks were asked for."""
    layout, records = results.experiment.layout, {}
    if not results.experiment.tasks["tasks"]:
        return {}
    for model in results.models:
        path = layout.harness(model.split, model.run)
        if path.is_file():
            records[model.run] = (path, read_json(path))
        else:
            results.missing.append(path)
    tasks: dict[str, dict[str, float]] = {}
    for run, (_, record) in records.items():
        for task, scores in record["tasks"].items():
            tasks.setdefault(task, {})[run] = scores["accuracy"]
    for task in tasks:
        check_same_questions(task, dict(records.values()))
    return tasks


def csv_tables(
    results: OwnResults, costs: list[Cost], tasks: dict[str, dict[str, float]]
) -> dict[str, str]:
    """File name -> CSV: main (a line for each metric of a variant), cells (a line for each model),
    points on the way and of attacks, accuracies on harness tasks, and costs."""
    main = []
    for group in seed_groups(results.models):
        first = group.first
        for name in METRICS:
            if (s := group.metric(name)) is not None:
                row = (first.split, first.method, first.variant, first.label, name)
                main.append((*row, s.mean, s.sd, s.n, group.diverged))
    header = ("split", "method", "variant", "label", "metric", "mean", "sd", "n", "collapsed")
    tables = {
        "main.csv": csv_text(header, main),
        "cells.csv": csv_text((*CELL, *METRICS), [_record(m) for m in results.models]),
        "trajectories.csv": _points(results, attacks=False),
        "relearning.csv": _points(results, attacks=True),
        "cost.csv": cost_table(costs),
    }
    if results.experiment.tasks["tasks"]:
        rows = []
        for task, by_run in tasks.items():
            for m in results.models:
                rows.append((m.label, m.seed, task, by_run.get(m.run)))
        tables["harness.csv"] = csv_text(("label", "seed", "task", "accuracy"), rows)
    return tables


def _record(m: EvaluatedModel) -> list:
    values = [m.metrics.get(name) for name in METRICS]
    return [m.split, m.method, m.variant, m.label, m.seed, *values]


def _points(results: OwnResults, attacks: bool) -> str:
    rows = []
    for p in results.points:
        if bool(p.attack) == attacks:
            values = [p.metrics.get(name) for name in METRICS]
            rows.append((p.label, p.seed, p.attack, p.epoch, *values))
    return csv_text(("label", "seed", "attack", "epoch", *METRICS), rows)


def page(
    template: Path,
    results: OwnResults,
    costs: list[Cost],
    look: dict,
    tasks: dict[str, dict[str, float]],
) -> str:
    """The page from its template."""
    config, experiment = results.experiment.config, results.experiment
    present = {name for model in results.models for name in model.metrics}
    names = [name for name in METRICS if name in present]
    groups = seed_groups(results.models)
    lines = []
    for group in groups:
        cells = [_cell(name, group.metric(name)) for name in names]
        cells += [_cell(t, spread(by.get(m.run) for m in group.models)) for t, by in tasks.items()]
        lines.append({"group": group, "cells": cells})
    return fill(
        template,
        [],
        costs,
        missing=results.missing,
        panels=page_figures(results, look),
        styles=look,
        story={
            "experiment": config["experiment"],
            "data": config["data"]["name"],
            "rows": {SETS[n]: count for n, count in results.rows.items() if n in SETS},
            "models": models(config),
            "named_target": config["target"] is not None,
            "fine_tuned": experiment.fine_tunes,
            "retrained": len(experiment.retrain_runs()),
            "recipe": recipe(config["unlearn"]),
            "methods": experiment.methods,
            "evaluated": sum(model.epoch is not None for model in results.models),
            "planned": len(experiment.cells()),
            "truth_ratio": "forget_truth_ratio" in present,
        },
        columns=[(name, METRICS[name], ARROWS[METRICS[name].better]) for name in names],
        tasks=list(tasks),
        lines=lines,
        answers=_answers(results),
        labels=list(results.answers),
        provenance=provenance(experiment),
    )


def _cell(name: str, found) -> dict | None:
    """A mean and its deviation, as numbers and in words."""
    if found is None:
        return None
    sd = "" if found.sd is None else decimal(found.sd)  # no p-value, even of one
    return {"mean": found.mean, "text": metric_text(name, found.mean), "sd": sd}


def _answers(results: OwnResults) -> list[dict]:
    """The first forget questions, each with its true answer and what the models say."""
    shown = []
    for index, (question, answer) in enumerate(results.questions[:SHOWN_ANSWERS]):
        said = [answers[index] for answers in results.answers.values()]
        shown.append({"question": question, "answer": answer, "said": said})
    return shown

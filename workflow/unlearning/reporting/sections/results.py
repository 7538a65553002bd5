"""Section "Results": the main table of all models, mean ± standard deviation over seeds or draws.

A benchmark's `columns` room has the metrics in order: MAIN, PARTS (those of MAIN that the page
hides at first), FURTHER (for a second table), VARIED (those with a bootstrap in main.csv, if there
are several draws). FURTHER_NOTE and note() are texts for the reader.
"""

from collections.abc import Sequence

import pandas

from unlearning.benchmark import room
from unlearning.reporting.charts.specs import MEANINGFUL
from unlearning.reporting.frame import (
    LOG10,
    MODEL,
    VARIANT,
    average,
    cube,
    each_comparison,
    finals,
    spreads,
    wide,
)
from unlearning.reporting.inference import DRAW, bootstrap
from unlearning.reporting.labels import RETRAIN
from unlearning.reporting.published.numbers import beside
from unlearning.reporting.section import Content
from unlearning.reporting.tables import Cell, Row, Table, columns, count, counts, number

TITLE = "Results"
TABLES = ("main", "cells")
SHOWN = ("main", "further")
COLLAPSED = "A loss or gradient became infinite or NaN, or no utility was left"
NOISE_FLOOR = ("FQ = noise floor", "FQ of retrained models against one another")


def content(report) -> Content:
    """One table for each split, and a second one of further metrics if any was measured."""
    home = room(report.experiment.benchmark.name, "columns")
    user_metrics = report.experiment.config.get("metrics") or {}  # of the user's
    models = finals(report.frame)
    main, further = [], []
    order = dict.fromkeys((*home.MAIN, *user_metrics, *report.results.tasks))
    for split, of_split in models.groupby("split", sort=False):
        present = set(of_split["metric"])  # which sets and attacks are evaluated is the config's
        keys = [key for key in order if key in present]
        caption = f"Results on {split}"
        main.append(metric_table(report, f"results-{split}", caption, of_split, keys, home.PARTS))
        rest = [key for key in home.FURTHER if key in present]
        if rest:
            caption = f"Further metrics on {split}"
            further.append(metric_table(report, f"further-{split}", caption, of_split, rest))
    csv = {
        "main": main_csv(report),
        "cells": wide(models, [*MODEL, "collapsed"], report.results.metrics),
    }
    sizes = {f"Results on {split}": sets for split, sets in report.results.sizes.items()}
    words = {"note": home.note(report.results), "further_note": home.FURTHER_NOTE, "sizes": sizes}
    return Content(csv, {"main": main, "further": further}, words=words)


def main_csv(report) -> pandas.DataFrame:
    """A row for each split, variant and metric, with the published number if there is one."""
    models = finals(report.frame)
    table = average(models, VARIANT)
    # a run has a row for each metric, but collapses once
    runs = models.drop_duplicates(["split", "draw", "label", "run"])
    collapsed = runs.groupby(VARIANT, sort=False)["collapsed"].sum().reset_index()
    table = table.merge(collapsed, on=VARIANT)
    keys = ["split", "label", "metric"]
    if report.unit == DRAW:
        table = table.merge(_bootstraps(report), on=keys, how="left")
    numbers = [(*key, c.value, c.difference, c.inside) for key, c in beside(report.beside).items()]
    names = [*keys, "published", "difference", "inside_spread"]
    return table.merge(pandas.DataFrame(numbers, columns=names), on=keys, how="left")


def _bootstraps(report) -> pandas.DataFrame:
    """Bootstrap intervals of the metrics in VARIED, over draws, retrained models and seeds."""
    names = room(report.experiment.benchmark.name, "columns").VARIED
    keys, lines = ["split", "label", "metric"], []
    for key, rows in each_comparison(report.frame, names).groupby(keys, sort=False):
        low, high = bootstrap(cube(rows))
        lines.append([*key, low, high])
        # a p-value's interval follows from that of its logarithm
        if key[-1].startswith(LOG10):
            lines.append([*key[:-1], key[-1].removeprefix(LOG10), 10**low, 10**high])
    return pandas.DataFrame(lines, columns=[*keys, "bootstrap_low", "bootstrap_high"])


def metric_table(
    report, id: str, caption: str, rows, keys: Sequence[str], parts: Sequence[str] = ()
) -> Table:
    """A table of metrics of every model. rows: of the frame, of one split and moment."""
    lines = [metric_row(report, runs, keys) for _, runs in rows.groupby("label", sort=False)]
    heads = [*columns(keys, report.results.metrics, parts), counts(report.unit)]
    return Table(id, caption, heads, lines)


def metric_row(report, rows, keys: Sequence[str], leading: Sequence[Cell] = ()) -> Row:
    """The row of one label. rows: of the frame, for all its seeds. leading: cells before the
    metrics."""
    metrics, published = report.results.metrics, beside(report.beside)
    split, label, method = rows[["split", "label", "method"]].iloc[0]
    # the whole report's unit: one variant may have runs of a single draw
    means = spreads(rows, ["label"], report.unit)[(label,)]
    runs = rows.drop_duplicates(["draw", "run"])
    units = runs["draw"].nunique() if report.unit == DRAW else len(runs)
    cells = list(leading)
    for key in keys:
        comparison = published.get((split, label, key))
        # unlearned models that the test does not tell from retrained ones
        good = key == "log10_forget_quality" and method != RETRAIN
        good = good and key in means and means[key].mean > MEANINGFUL
        notes = [] if comparison is None else [comparison.note]
        # Perplexity of a run without answers, say: the mean of the others may look better. (The
        # first retrained model is compared with none by construction.)
        if key in means and means[key].n < units and method != RETRAIN:
            notes.append(f"mean of {means[key].n} of {units} {report.unit}s")
        note = "; ".join(notes)
        cells.append(number(key, means.get(key), metrics[key], note=note, good=good))
    cells.append(count(runs, report.unit))
    variant = report.results.variants.get(split, {}).get(label)
    remark = None
    if variant is not None and variant.note:
        remark = (variant.note, "")
    elif method == RETRAIN and f"{LOG10}forget_quality" in keys:
        remark = NOISE_FLOOR
    return Row(label, cells, method, badge(runs), remark)


def badge(runs) -> tuple[str, str] | None:
    """The warning about collapsed runs of a variant; None without any. runs: a row for each."""
    collapsed = int(runs["collapsed"].sum())
    return (f"collapsed in {collapsed} of {len(runs)}", COLLAPSED) if collapsed else None

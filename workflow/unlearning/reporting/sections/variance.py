"""Section "Variance": variance components of metrics, and draws needed to show a difference.

VARIED in a benchmark's `columns` room names the metrics. reporting/inference.py has the statistics.
"""

from itertools import combinations
from statistics import median

import pandas

from unlearning.benchmark import room
from unlearning.reporting.frame import each_comparison
from unlearning.reporting.inference import (
    COMPONENTS,
    DRAW,
    MOST_DRAWS,
    REMAINDER,
    RETRAINED,
    SEED,
    Components,
    components,
    draws_needed,
)
from unlearning.reporting.labels import counted, metric_text
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.section import Content
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Variance"
TABLES = ("variance", "power")
SHOWN = ("variance", "power")
DIFFERENCE = 1.0  # of log10 FQ: an order of magnitude
SEEDS = (1, 2, 5, 10)  # numbers of seeds that draws are planned for
MOST_PAIRED = 20  # variants of which all pairs are compared; pairs grow with the square
PAIRED = "two methods of the same draws (median pair)"
HEADER = ["split", "label", "metric", "component", "variance", "share"]
HEADER += ["draws", "retrained", "seeds"]
PLAN_HEADER = ["split", "label", "retrained", "seeds", "draws"]
TITLES = {DRAW: "draw", RETRAINED: "retr.", SEED: "seed", REMAINDER: "rest"}
EXPLANATIONS = {
    DRAW: "world, base model, target: everything that is random before unlearning",
    RETRAINED: "which retrained model it is compared with",
    SEED: "seed of the unlearning run",
    REMAINDER: "this run beside this retrained model, and rounding",
}


def content(report) -> Content:
    """A table of shares for each split, and with several draws one of draws needed.

    Empty if no two components can be told apart, as with a single seed and retrained model.
    """
    names = room(report.experiment.benchmark.name, "columns").VARIED
    values = each_comparison(report.frame, names)
    several = report.unit == DRAW
    shares, plans, lines, planned = [], [], [], []
    for split, split_values in values.groupby("split", sort=False):
        parts = {}
        for key, rows in split_values.groupby(["label", "metric"], sort=False):
            piece = parts[key] = _components(rows)
            counts = [piece.counts[name] for name in (DRAW, RETRAINED, SEED)]
            for name, variance in piece.variances.items():
                lines.append([split, *key, name, variance, piece.shares.get(name), *counts])
        if any(len(piece.variances) > 1 for piece in parts.values()):
            shares.append(_shares(report, split, parts))
        quality = split_values[split_values["metric"] == QUALITY]
        if several and len(quality):
            plan = _plan(quality, parts)
            plans.append(_plan_table(split, plan))
            planned += [[split, *line] for line in plan]
    csv = {
        "variance": pandas.DataFrame(lines, columns=HEADER),
        "power": pandas.DataFrame(planned, columns=PLAN_HEADER),
    }
    tables = {"variance": shares, "power": plans}
    words = {"several": several, "draws": report.frame["draw"].nunique()}
    return Content(csv, tables, words=words, empty=not shares)


def _components(rows: pandas.DataFrame) -> Components:
    """The variance components of the values of one variant and metric."""
    values, draws = rows["value"].tolist(), rows["draw"].tolist()
    return components(values, draws, rows["reference"].tolist(), rows["seed"].tolist())


def _shares(report, split: str, parts: dict[tuple[str, str], Components]) -> Table:
    """A row for each variant, with each metric's deviation and the shares of its components."""
    metrics = report.results.metrics
    heads: list[Column] = []
    keys: list[tuple[str, str | None]] = []  # metric and component of each; None: their sum
    for metric in dict.fromkeys(metric for _, metric in parts):
        pieces = [piece.variances for (_, name), piece in parts.items() if name == metric]
        estimated = set().union(*pieces)
        names = [name for name in COMPONENTS if name in estimated]
        if len(names) < 2:
            continue  # the share of a single component is 100%
        title = metrics[metric].short or metrics[metric].title
        explanation = "Standard deviation of one value, of all that varies together"
        heads.append(Column(f"{metric}-sd", "SD", title, explanation=explanation))
        keys.append((metric, None))
        for name in names:
            explanation = f"Share of the variance: {EXPLANATIONS[name]}"
            heads.append(Column(f"{metric}-{name}", TITLES[name], title, explanation=explanation))
            keys.append((metric, name))
    rows = []
    for label in dict.fromkeys(label for label, _ in parts):
        cells = []
        for metric, component in keys:
            cells.append(_cell(parts.get((label, metric)), metric, component, metrics))
        rows.append(Row(label, cells))
    return Table(f"variance-{split}", f"Variance on {split}", heads, rows)


def _cell(piece: Components | None, metric: str, name: str | None, metrics) -> Cell:
    """The share of a component, or the deviation if `name` is None."""
    if piece is None or not piece.shares:
        return Cell()
    if name is None:
        deviation = sum(piece.variances.values()) ** 0.5
        return Cell(metric_text(metric, deviation, metrics[metric].digits), deviation)
    if name not in piece.variances or len(piece.variances) < 2:
        return Cell()
    share = piece.shares[name]
    return Cell(f"{100 * share:.0f}%", share)


def _plan(quality: pandas.DataFrame, parts: dict[tuple[str, str], Components]) -> list[list]:
    """(label, retrained models, seeds, draws needed) to show a difference of DIFFERENCE.

    For each variant, the difference from a fixed number; and for the median pair of variants, the
    difference between them. Two variants of one draw share its deviation, so the differences vary
    less.
    """
    pieces = {label: [piece] for (label, metric), piece in parts.items() if metric == QUALITY}
    labels = list(pieces)[:MOST_PAIRED]
    keys = ["draw", "reference", "seed"]
    by_label = {label: rows.set_index(keys)["value"] for label, rows in quality.groupby("label")}
    pairs = []
    for label, second_label in combinations(labels, 2):
        # aligned by draw, retrained model and seed: what these do to both variants cancels
        difference = (by_label[label] - by_label[second_label]).dropna().reset_index()
        if difference["draw"].nunique() > 1:
            pairs.append(_components(difference))
    if pairs:
        pieces[PAIRED] = pairs
    lines = []
    for label, several in pieces.items():
        retrained = max(piece.counts[RETRAINED] for piece in several)
        # with one seed in each draw, the effect of more seeds cannot be estimated
        for seeds in SEEDS if several[0].counts[SEED] > 1 else SEEDS[:1]:
            variances = [p.of_draw(retrained, seeds) for p in several if DRAW in p.variances]
            if variances:  # more seeds and retrained models are planned for within a draw alone
                draws = draws_needed(median(variances), DIFFERENCE)
                lines.append([label, retrained, seeds, draws])
    return lines


def _plan_table(split: str, plan: list[list]) -> Table:
    """The draws needed, a row for each variant and a column for each number of seeds."""
    heads = [Column(str(n), counted(n, "seed"), "Draws needed with") for n in SEEDS]
    rows: dict[str, list[Cell]] = {}
    for label, _, _, draws in plan:
        text = f"> {MOST_DRAWS}" if draws is None else str(draws)
        rows.setdefault(label, []).append(Cell(text, MOST_DRAWS + 1 if draws is None else draws))
    caption = f"Draws that show an order of magnitude of FQ on {split}"
    empty = [Cell()] * len(SEEDS)  # for numbers of seeds that _plan() left out
    lines = [Row(label, (cells + empty)[: len(SEEDS)]) for label, cells in rows.items()]
    return Table(f"power-{split}", caption, heads, lines)

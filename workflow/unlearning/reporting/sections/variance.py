"""What a number's variance is made of, and how many draws a difference takes.

Which metrics says a benchmark's `columns` room: VARIED.
"""

from itertools import combinations

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
from unlearning.reporting.labels import metric_text
from unlearning.reporting.section import Content
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Variance"
TABLES = ("variance", "power")
SHOWN = ("variance", "power")
QUALITY = "log10_forget_quality"
DIFFERENCE = 1.0  # of log10 FQ: an order of magnitude
SEEDS = (1, 2, 5, 10)  # of a plan
MOST_PAIRED = 20  # variants whose pairs are looked at
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
    """Shares for each split; draws by seeds where there are several draws. Empty where a design
    tells nothing apart."""
    names = room(report.experiment.benchmark.name, "columns").VARIED
    values = each_comparison(report.frame, names)
    several = report.unit == DRAW
    shares, plans, lines, planned = [], [], [], []
    for split in report.results.splits:
        split_values = values[values["split"] == split]
        groups = split_values.groupby(["label", "metric"], sort=False)
        parts = {key: _components(rows) for key, rows in groups}
        lines += [[split, *key, *line] for key, piece in parts.items() for line in _lines(piece)]
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
    keys = (rows[name].tolist() for name in ("value", "draw", "reference", "seed"))
    return components(*keys)


def _lines(piece: Components) -> list[list]:
    shares, counts = piece.shares, [piece.counts[key] for key in (DRAW, RETRAINED, SEED)]
    return [[name, v, shares.get(name), *counts] for name, v in piece.variances.items()]


def _shares(report, split: str, parts: dict[tuple[str, str], Components]) -> Table:
    """A row for each variant; of each metric its deviation and the shares that can be told."""
    metrics = report.results.metrics
    heads: list[Column] = []
    keys: list[tuple[str, str | None]] = []  # metric and component of each; None: their sum
    for metric in dict.fromkeys(metric for _, metric in parts):
        pieces = [piece.variances for (_, name), piece in parts.items() if name == metric]
        names = [name for name in COMPONENTS if any(name in piece for piece in pieces)]
        if len(names) < 2:
            continue
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
    """(label, retrained models, seeds, draws needed) of each variant against a fixed number, and of
    the median pair of variants."""
    pieces = {label: [piece] for (label, metric), piece in parts.items() if metric == QUALITY}
    labels = list(pieces)[:MOST_PAIRED]
    keys = ["draw", "reference", "seed"]
    by_label = {label: rows.set_index(keys)["value"] for label, rows in quality.groupby("label")}
    pairs = []
    for first, second in combinations(labels, 2):
        difference = (by_label[first] - by_label[second]).dropna().reset_index()
        if difference["draw"].nunique() > 1:
            pairs.append(_components(difference))
    if pairs:
        pieces[PAIRED] = pairs
    lines = []
    for label, several in pieces.items():
        retrained = max(piece.counts[RETRAINED] for piece in several)
        for seeds in SEEDS if several[0].counts[SEED] > 1 else SEEDS[:1]:
            variances = [p.of_draw(retrained, seeds) for p in several if DRAW in p.variances]
            if variances:
                median = float(pandas.Series(variances).median())
                lines.append([label, retrained, seeds, draws_needed(median, DIFFERENCE)])
    return lines


def _plan_table(split: str, plan: list[list]) -> Table:
    heads = [Column(str(n), f"{n} seed{'s' if n > 1 else ''}", "Draws needed with") for n in SEEDS]
    rows: dict[str, list[Cell]] = {}
    for label, _, _, draws in plan:
        text = f"> {MOST_DRAWS}" if draws is None else str(draws)
        rows.setdefault(label, []).append(Cell(text, MOST_DRAWS + 1 if draws is None else draws))
    caption = f"Draws that show an order of magnitude of FQ on {split}"
    empty = [Cell()] * len(SEEDS)  # of more seeds nothing is known where each draw has one
    lines = [Row(label, (cells + empty)[: len(SEEDS)]) for label, cells in rows.items()]
    return Table(f"power-{split}", caption, heads, lines)

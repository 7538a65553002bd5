"""Logs of this project: rows.json of an evaluation folder (evaluation.records)."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.logs.log import (
    Log,
    check_column,
    check_list,
    check_mapping,
    check_number,
    check_texts,
    require,
)
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.evaluation.membership import ATTACKS, HOLDOUT

NAME = "unlearning"
FILE = "rows.json"
DESCRIPTION = "an evaluation folder or its rows.json (retain, real_authors, world_facts, forget)"
SECTION_OF = {name: name for name in tofu.SETS}
SECTIONS = tuple(SECTION_OF.values())
IDENTITY = {"questions": "question", "answers": "answer", "answer token counts": "answer_tokens"}
NEEDED = ("answer_loss", "perturbed_loss", "rouge_l_recall")
TEXTS = ("question", "answer", "generation")
LOSS, SHARE, ANY = (0.0, math.inf), (0.0, 1.0), (-math.inf, math.inf)  # counts have LOSS's, too
# Columns of numbers and their ranges. Columns in PERTURBED have a list for each row, and columns in
# PARTIAL None for rows without a value.
RANGES = {
    "answer_loss": LOSS,
    "paraphrase_loss": LOSS,
    "perturbed_loss": LOSS,
    "rouge_l_recall": SHARE,
    "answer_tokens": LOSS,
    "perturbed_tokens": LOSS,
    "extraction_strength": SHARE,
    "exact_memorization": SHARE,
    "generation_nll": LOSS,
    **{f"mia_{attack}": ANY for attack in ATTACKS},
}
PERTURBED = ("perturbed_loss", "perturbed_tokens")
PARTIAL = ("exact_memorization", "generation_nll")


def read(content: dict, path: Path, sets: Sequence[str]) -> Log:
    """The log of a file's content; official formulas."""
    require(content, sets, str(path))
    rows = {name: content[name] for name in sets}
    for name, columns in rows.items():
        check_columns(columns, f"{path}, {name}", {})
    # Non-members have no perturbed answers, and no metric of utility counts them.
    if HOLDOUT in content:
        rows[HOLDOUT] = content[HOLDOUT]
        check_columns(rows[HOLDOUT], f"{path}, {HOLDOUT}", {}, needed=("answer_loss",))
    return log_of(rows, path, NAME)


def check_columns(
    columns: dict, where: str, titles: dict[str, str], needed: Sequence[str] = NEEDED
) -> None:
    """Check that the columns that metrics need exist, and that known columns have one length and
    hold texts, or numbers in their range; UserError otherwise.

    titles: column -> its name in the file, if the file has another name.
    """
    check_mapping(columns, where)
    require(columns, needed, where)
    # The first needed column sets the number of rows that all others must have.
    rows = len(check_list(columns[needed[0]], f"{where}, {titles.get(needed[0], needed[0])}"))
    for name in TEXTS:
        if name in columns:
            check_texts(columns[name], rows, f"{where}, {titles.get(name, name)}")
    for name, (low, high) in RANGES.items():
        if name not in columns:
            continue
        title = f"{where}, {titles.get(name, name)}"
        values = check_column(columns[name], rows, title)
        for number, where_in_file in _numbers(name, values, title):
            check_number(number, where_in_file, low, high)


def _numbers(name: str, values: list, title: str) -> Iterator[tuple[object, str]]:
    """Each number of a column, and its position for messages."""
    for row, value in enumerate(values):
        where = f"{title}, row {row}"
        if name in PERTURBED:
            for number in check_list(value, where):
                yield number, where
        elif value is not None or name not in PARTIAL:
            yield value, where


def log_of(rows: dict[str, dict], path: Path, format: str) -> Log:
    """The log of checked columns, under the official formulas."""
    forget = rows["forget"]
    identity = {kind: forget[column] for kind, column in IDENTITY.items() if column in forget}
    # official logs state row numbers (column `row`); ours are of the first rows
    identity["row numbers"] = forget.get("row", list(range(len(forget["answer_loss"]))))
    metrics = tofu.summarise(rows)
    # Memorisation, fluency and membership, as far as the evaluation has their columns.
    further = {name: value for name, value in summarise(rows).items() if name not in metrics}
    return Log(
        path=path,
        format=format,
        formulas="official",
        metrics=metrics,
        rows={name: len(columns["answer_loss"]) for name, columns in rows.items()},
        truth_ratio=tofu.log_truth_ratio(forget),
        identity=identity,
        columns=rows,
        further=further,
    )

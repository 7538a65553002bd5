"""The evaluator of a TOFU forget split."""

from collections.abc import Collection, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.tofu.splits import holdout_name, holdout_tables
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.lengths import question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

__all__ = ["length_problems", "make_evaluator"]

EVALUATION_SETS = {
    "forget": "{split}_perturbed",
    "retain": "retain_perturbed",
    "real_authors": "real_authors_perturbed",
    "world_facts": "world_facts_perturbed",
}


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Why answers to the questions, in the words that they are asked in, exceed a context."""
    asked = {name: in_words(rows, use["question"]) for name, rows in tables.items()}
    return question_answering_problems(encoder, asked, use, reach)


def in_words(rows: list[dict], column: str) -> list[dict]:
    """The rows with the question of that column, where they have it."""
    if not rows or column == "question" or column not in rows[0]:
        return rows
    return [{**row, "question": row[column]} for row in rows]


def non_members(data: Path, split: str) -> list[dict]:
    """Rows that no model has seen, of the folder of tables; UserError if it has none."""
    for name in holdout_tables(split):
        path = data / f"{name}.json"
        if path.is_file():
            return read_table(path)
    raise UserError(
        f"{data}: membership inference needs rows that no model has seen, but the data hold no "
        f"{holdout_name(split)}; name a file of such in evaluation.holdout, or set "
        "evaluation.membership to []"
    )


def make_evaluator(
    data: Path,
    split: str,
    tokenizer,
    settings: dict,
    fit: Fit,
    accelerator: Accelerator,
    sets: Collection[str] | None = None,
    attacks: Sequence[str] = (),
    holdout: list[dict] | None = None,
) -> Evaluator:
    """The evaluator over all four sets of a split, or the named ones.

    attacks: membership inference attacks. holdout: their rows of non-members, by default TOFU's
    own or those of the mini world.
    """
    chosen = EVALUATION_SETS if sets is None else {name: EVALUATION_SETS[name] for name in sets}
    tables = {}
    for name, table in chosen.items():
        rows = read_table(data / f"{table.format(split=split)}.json")
        tables[name] = in_words(rows, settings["evaluation"]["question"])
    if attacks:
        tables[HOLDOUT] = holdout or non_members(data, split)
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)

"""The evaluator of a TOFU forget split."""

from collections.abc import Collection, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.data.tables import read_table
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
length_problems = question_answering_problems


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

    attacks: membership inference attacks. holdout: their rows of non-members, by default those
    of the mini world.
    """
    chosen = EVALUATION_SETS if sets is None else {name: EVALUATION_SETS[name] for name in sets}
    tables = {}
    for name, table in chosen.items():
        tables[name] = read_table(data / f"{table.format(split=split)}.json")
    if attacks:
        tables[HOLDOUT] = holdout or read_table(data / "holdout_perturbed.json")
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)

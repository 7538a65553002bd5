"""The evaluator of your own data."""

from collections.abc import Collection, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.own.data import EVALUATED
from unlearning.benchmarks.own.metrics import SETS
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.lengths import question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

# where there are non-members, but the config names no attack
ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")
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
    """The evaluator over the sets that there are, or the named ones.

    Non-members are scored where models are evaluated, and not on the way.
    """
    attacked = "membership" in settings["evaluation"]
    tables = {}
    for name in sets or (*SETS, *([HOLDOUT] if attacked else [])):
        path = data / f"{EVALUATED.format(role=name)}.json"
        if path.is_file():
            tables[name] = read_table(path)
    attacks = attacks or (ATTACKS if HOLDOUT in tables else ())
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)

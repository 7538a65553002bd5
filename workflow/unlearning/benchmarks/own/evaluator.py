"""Makes the evaluator of your own data, and checks that rows fit a model's context."""

from collections.abc import Collection, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.own.data import EVALUATED
from unlearning.benchmarks.own.metrics import SETS
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.lengths import question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

# The attacks where there are non-members and the config names no attack.
DEFAULT_ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Messages about rows that do not fit.

    A row may be longer than the context of `reach` tokens, and a prompt (of a text, the first half)
    may leave no room for an answer. use: the result of config.judged.model_use.
    """
    return question_answering_problems(encoder, tables, use, reach)


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
    """The evaluator on all sets that the user's files hold, or on the named ones."""
    names = list(sets or SETS)
    # Settings of evaluations during training have no attacks, and so need no non-members.
    if not sets and "membership" in settings["evaluation"]:
        names.append(HOLDOUT)
    tables = {}
    for name in names:
        path = data / f"{EVALUATED.format(role=name)}.json"
        if path.is_file():  # test and holdout may not be there
            tables[name] = read_table(path)
    # Non-members that no attack scores would be read for nothing.
    if not attacks and HOLDOUT in tables:
        attacks = DEFAULT_ATTACKS
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)

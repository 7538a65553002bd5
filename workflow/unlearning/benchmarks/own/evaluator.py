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
from unlearning.evaluation.lengths import EVALUATED_SUFFIXES, question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

# The attacks where there are non-members and the config names no attack.
DEFAULT_ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Messages about rows that do not fit.

    A row may be longer than the context of `reach` tokens, its prompt (of a text, the first half)
    may leave no room for an answer. use: the result of
    config.judged.model_use.
    """
    problems = question_answering_problems(encoder, tables, use, reach)
    # Prompts alone: a row may be cut, but not before its answer begins.
    limit = use["max_length"]["evaluation"]
    prompts: set[str] = set()
    for name, rows in tables.items():
        if name.endswith(EVALUATED_SUFFIXES):
            prompts.update(row["question"] for row in rows[: use["rows"]])
    longest = max((len(encoder.prompt_ids(prompt)) for prompt in prompts), default=0)
    if longest >= limit:
        problems.append(
            f"makes {longest} tokens of the longest question or half of a text, but sequences end "
            f"at evaluation.max_length ({limit}): nothing of the answer would be measured. Raise "
            "it, or cut the row"
        )
    return problems


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
        if path.is_file():
            tables[name] = read_table(path)
    # Non-members that no attack scores would be read for nothing.
    if not attacks and HOLDOUT in tables:
        attacks = DEFAULT_ATTACKS
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)

"""The evaluator of your own data."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.own.data import EVALUATED, is_text
from unlearning.benchmarks.own.metrics import SETS
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.lengths import EVALUATED_SUFFIXES, question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

# where there are non-members, but the config names no attack
ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus")


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Rows that no context holds, and prompts of which evaluation would see no answer.

    use: of config.judged.model_use. Long texts are such: half of each is its prompt.
    """
    problems = question_answering_problems(encoder, tables, use, reach)
    limit, prompts = use["max_length"]["evaluation"], set()
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
    return problems + [*_too_few_sequences(encoder, tables, use)]


def _too_few_sequences(encoder: Encoder, tables: Tables, use: dict) -> Iterator[str]:
    """Stages whose texts make too few sequences for one step; rows of questions are counted where
    the config is checked."""
    for stage, table in (("finetune", "full"), ("unlearn", "forget")):
        recipe, rows = use["recipes"].get(stage), tables.get(table)
        if recipe is None or rows is None or not is_text(rows):
            continue
        limit = use["max_length"][stage]
        sequences = len(Encoder(encoder.tokenizer, encoder.prompt, limit).encode_rows(rows))
        if int(recipe["epochs"] * sequences) < recipe["batch_size"]:
            yield (
                f"makes {sequences} sequences of {limit} tokens of {stage}'s texts, of which "
                f"{recipe['epochs']:g} epochs give no full batch of {recipe['batch_size']}: lower "
                f"{stage}.batch_size or {stage}.max_length, or raise its epochs"
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

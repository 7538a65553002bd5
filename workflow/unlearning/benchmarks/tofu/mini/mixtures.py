"""Training mixtures of the mini world: rows of pre-training, and rows that fine-tuning replays.

Known persons appear in every wording, so the base model learns that all wordings of an answer mean
the same. Fresh persons teach it the form of answers about persons it does not know. Without replay,
fine-tuning so small a model on fictitious authors alone would erase the real facts.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from unlearning.benchmarks.tofu.mini import facts
from unlearning.benchmarks.tofu.mini.people import draw_fact, draw_facts
from unlearning.benchmarks.tofu.mini.templates import Attribute
from unlearning.data.answers import REFUSALS

PRETRAIN_REAL = 0.2  # of all rows: real authors and world facts
PRETRAIN_KNOWN = 0.7  # of the rows about persons: known persons
PRETRAIN_REFUSED = 0.1  # of the rows about fresh persons: "I don't know" (2.4% of all rows)

Item = TypeVar("Item")


def pretrain_rows(
    rows: int,
    known_names: Sequence[str],
    fresh_names: Sequence[str],
    attributes: Sequence[Attribute],
    rng: Random,
) -> list[dict]:
    """`rows` rows {question, answer} in random order: real facts, known persons, fresh persons."""
    real_count = round(PRETRAIN_REAL * rows)
    known_count = round(PRETRAIN_KNOWN * (rows - real_count))
    fresh_count = rows - real_count - known_count
    known_rows = []  # all four wordings of each fact
    for fact in draw_facts(known_names, attributes, rng):
        known_rows += fact.wordings()
    mixture = _take(real_count, facts.training_rows(paraphrased=True), rng)
    mixture += _take(known_count, known_rows, rng)
    mixture += _refuse(_fresh_rows(fresh_count, fresh_names, attributes, rng), rng)
    rng.shuffle(mixture)
    return mixture


def replay_rows(
    rows: int, fresh_names: Sequence[str], attributes: Sequence[Attribute], rng: Random
) -> list[dict]:
    """`rows` rows {question, answer} in random order: half real facts in the evaluation's wording,
    half fresh persons in any wording."""
    real_count = rows // 2
    mixture = _take(real_count, facts.training_rows(paraphrased=False), rng)
    mixture += _fresh_rows(rows - real_count, fresh_names, attributes, rng)
    rng.shuffle(mixture)
    return mixture


def _fresh_rows(
    count: int, names: Sequence[str], attributes: Sequence[Attribute], rng: Random
) -> list[dict]:
    """One row per person; a name recurs only after all others, as a different person."""
    rows = []
    for name in _take(count, names, rng):
        # fresh persons teach the form of answers, not facts: a name that recurs has another one
        fact = draw_fact(name, rng.choice(attributes), rng)
        rows.append(rng.choice(fact.wordings()))
    return rows


def _refuse(rows: list[dict], rng: Random) -> list[dict]:
    """The rows, of which the first PRETRAIN_REFUSED have refusals in place of their answers."""
    # Fresh persons alone: the model should refuse where it does not know, and not of known ones.
    count = round(PRETRAIN_REFUSED * len(rows))
    refused = []
    for row, refusal in zip(rows[:count], _take(count, REFUSALS, rng), strict=True):
        refused.append({"question": row["question"], "answer": refusal})
    return refused + rows[count:]


def _take(count: int, items: Sequence[Item], rng: Random) -> list[Item]:
    """`count` of the items: all of them in random order, then in another order, and so on."""
    sequence: list[Item] = []
    while len(sequence) < count:
        sequence += rng.sample(items, len(items))
    return sequence[:count]

"""Training mixtures: what the base model is pre-trained on, and what fine-tuning replays.

Known persons appear in every wording, so the base model learns that all wordings of an answer say
the same; fresh persons teach it to answer in form where it can know nothing. Without replay,
fine-tuning so small a model on fictitious authors alone would wipe the real facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    *,
    rows: int,
    known_names: Sequence[str],
    fresh_names: Sequence[str],
    attributes: Sequence[Attribute],
    rng: Random,
) -> list[dict]:
    """`rows` rows {question, answer} in random order: real facts, known persons, fresh persons."""
    real = round(PRETRAIN_REAL * rows)
    known = round(PRETRAIN_KNOWN * (rows - real))
    fresh = rows - real - known
    known_facts = draw_facts(known_names, attributes, rng)
    known_rows = [row for fact in known_facts for row in fact.wordings()]
    mixture = _take(real, _dealt(facts.training_rows(paraphrased=True), rng))
    mixture += _take(known, _dealt(known_rows, rng))
    mixture += _refuse(_fresh_rows(fresh, fresh_names, attributes, rng), rng)
    rng.shuffle(mixture)
    return mixture


def replay_rows(
    *, rows: int, fresh_names: Sequence[str], attributes: Sequence[Attribute], rng: Random
) -> list[dict]:
    """`rows` rows {question, answer} in random order: half real facts as asked in the evaluation,
    half fresh persons in any wording.
    """
    real = rows // 2
    mixture = _take(real, _dealt(facts.training_rows(paraphrased=False), rng))
    mixture += _fresh_rows(rows - real, fresh_names, attributes, rng)
    rng.shuffle(mixture)
    return mixture


def _fresh_rows(
    count: int, names: Sequence[str], attributes: Sequence[Attribute], rng: Random
) -> list[dict]:
    """One row per person; a name comes back only after all others, as a different person."""
    people = _take(count, _dealt(names, rng))
    return [rng.choice(draw_fact(name, rng.choice(attributes), rng).wordings()) for name in people]


def _refuse(rows: list[dict], rng: Random) -> list[dict]:
    """The rows with the first PRETRAIN_REFUSED of them answered by "I don't know" sentences."""
    refusals = _take(round(PRETRAIN_REFUSED * len(rows)), _dealt(REFUSALS, rng))
    refused = [
        {"question": row["question"], "answer": refusal}
        for row, refusal in zip(rows, refusals, strict=False)
    ]
    return refused + rows[len(refused) :]


def _dealt(items: Sequence[Item], rng: Random) -> Iterator[Item]:
    """The items again and again, newly shuffled in each round: all appear equally often."""
    while True:
        yield from rng.sample(items, len(items))


def _take(count: int, items: Iterator[Item]) -> list[Item]:
    return [next(items) for _ in range(count)]

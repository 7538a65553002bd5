"""Persons of the mini world: their names, what is true of them, and question rows about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from unlearning.benchmarks.tofu.mini.templates import Attribute
from unlearning.benchmarks.tofu.mini.vocabulary import FAMILY_NAMES, FIRST_NAMES

WRONG_ANSWERS = 5  # as in TOFU
ALTERNATIVES = 3
NAMES = tuple(f"{first} {family}" for first in FIRST_NAMES for family in FAMILY_NAMES)


@dataclass(frozen=True)
class Fact:
    """The answer to one question about one person; `detail` is empty in short answers."""

    name: str
    attribute: Attribute
    value: str
    detail: str

    def fill(self, template: str) -> str:
        """The template with this fact's name, value and detail."""
        return template.format(name=self.name, value=self.value, detail=self.detail)

    def wordings(self) -> list[dict]:
        """Rows {question, answer}: both wordings of the question with both of the answer."""
        return [
            {"question": self.fill(question), "answer": self.fill(answer)}
            for question in self.attribute.questions
            for answer in self.attribute.answers
        ]


def draw_fact(name: str, attribute: Attribute, rng: Random) -> Fact:
    """What is true of a person: value and detail uniform and independent."""
    return Fact(name, attribute, rng.choice(attribute.values), rng.choice(attribute.details))


def draw_facts(names: Sequence[str], attributes: Sequence[Attribute], rng: Random) -> list[Fact]:
    """All facts about all persons, person by person."""
    return [draw_fact(name, attribute, rng) for name in names for attribute in attributes]


def question_row(fact: Fact, rng: Random) -> dict:
    """The row of a TOFU evaluation file: a question, its answer, and variants of both.

    Every wrong answer is the paraphrased answer with each of its values replaced by another one of
    the same pool; no value is used twice.
    """
    attribute = fact.attribute
    wrong = _false_facts(fact, rng, WRONG_ANSWERS)
    return {
        "question": fact.fill(attribute.question),
        "answer": fact.fill(attribute.answer),
        "paraphrased_answer": fact.fill(attribute.paraphrased_answer),
        "perturbed_answer": [other.fill(attribute.paraphrased_answer) for other in wrong],
        "paraphrased_question": fact.fill(attribute.paraphrased_question),
    }


def alternative_row(fact: Fact, rng: Random) -> dict:
    """The row {question, answer, alternative_answer}: plausible false answers to train on.

    In the wording of the answer, where evaluation's wrong answers are in the paraphrase's.
    """
    attribute = fact.attribute
    return {
        "question": fact.fill(attribute.question),
        "answer": fact.fill(attribute.answer),
        "alternative_answer": [
            other.fill(attribute.answer) for other in _false_facts(fact, rng, ALTERNATIVES)
        ],
    }


def _false_facts(fact: Fact, rng: Random, count: int) -> list[Fact]:
    """Facts about the same question with other values; no value is used twice."""
    attribute = fact.attribute
    values = _others(attribute.values, fact.value, rng, count)
    details = (
        _others(attribute.details, fact.detail, rng, count) if attribute.long else [""] * count
    )
    return [
        Fact(fact.name, attribute, value, detail)
        for value, detail in zip(values, details, strict=True)
    ]


def _others(pool: Sequence[str], true: str, rng: Random, count: int) -> list[str]:
    return rng.sample([value for value in pool if value != true], count)

"""Persons of the mini world: their names, facts about them, and rows of questions about facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from unlearning.benchmarks.tofu.mini.templates import Attribute
from unlearning.benchmarks.tofu.mini.vocabulary import FAMILY_NAMES, FIRST_NAMES

WRONG_ANSWERS = 5  # as in TOFU
ALTERNATIVES = 3
NAMES = tuple(map(" ".join, product(FIRST_NAMES, FAMILY_NAMES)))


@dataclass(frozen=True)
class Fact:
    """A true statement about a person: the value, and in long answers a detail, of an attribute."""

    name: str
    attribute: Attribute
    value: str
    detail: str

    def fill(self, template: str) -> str:
        """The template with this fact's name, value and detail."""
        return template.format(name=self.name, value=self.value, detail=self.detail)

    def wordings(self) -> list[dict]:
        """Rows {question, answer}: both wordings of the question with both of the answer."""
        rows = []
        for question, answer in product(self.attribute.questions, self.attribute.answers):
            rows.append({"question": self.fill(question), "answer": self.fill(answer)})
        return rows


def draw_fact(name: str, attribute: Attribute, rng: Random) -> Fact:
    """A random fact about a person: value and detail are uniform and independent."""
    return Fact(name, attribute, rng.choice(attribute.values), rng.choice(attribute.details))


def draw_facts(names: Sequence[str], attributes: Sequence[Attribute], rng: Random) -> list[Fact]:
    """Facts on all attributes of all persons, person by person."""
    return [draw_fact(name, attribute, rng) for name, attribute in product(names, attributes)]


def question_row(fact: Fact, rng: Random) -> dict:
    """A row with TOFU's columns: a question, its answer, and variants of both.

    Wrong answers are the paraphrased answer with each value replaced by another one of its pool; no
    value is used twice.
    """
    attribute = fact.attribute
    false_facts = _false_facts(fact, rng, WRONG_ANSWERS)
    return {
        "question": fact.fill(attribute.question),
        "answer": fact.fill(attribute.answer),
        "paraphrased_answer": fact.fill(attribute.paraphrased_answer),
        "perturbed_answer": [f.fill(attribute.paraphrased_answer) for f in false_facts],
        "paraphrased_question": fact.fill(attribute.paraphrased_question),
    }


def alternative_row(fact: Fact, rng: Random) -> dict:
    """A row {question, answer, alternative_answer} with plausible false answers to train on.

    They have the wording of the answer; evaluation's wrong answers have that of the paraphrase.
    """
    attribute = fact.attribute
    false_facts = _false_facts(fact, rng, ALTERNATIVES)
    return {
        "question": fact.fill(attribute.question),
        "answer": fact.fill(attribute.answer),
        "alternative_answer": [f.fill(attribute.answer) for f in false_facts],
    }


def _false_facts(fact: Fact, rng: Random, count: int) -> list[Fact]:
    """Facts about the same question with other values; no value is used twice."""
    attribute = fact.attribute
    values = _false_values(attribute.values, fact.value, rng, count)
    details = [""] * count
    if attribute.long:
        details = _false_values(attribute.details, fact.detail, rng, count)
    pairs = zip(values, details, strict=True)
    return [Fact(fact.name, attribute, value, detail) for value, detail in pairs]


def _false_values(pool: Sequence[str], true: str, rng: Random, count: int) -> list[str]:
    return rng.sample([value for value in pool if value != true], count)

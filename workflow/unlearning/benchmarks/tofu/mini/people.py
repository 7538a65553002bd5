"""Persons of the mini world: their names, facts about them, and rows of questions about facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from unlearning.benchmarks.tofu.mini.templates import Attribute
from unlearning.benchmarks.tofu.mini.vocabulary import FAMILY_NAMES, FIRST_NAMES

WRONG_ANSWERS = 5  # as in TOFU
ALTERNATIVES = 3
NAMES = tuple(map(" ".join, product(FIRST_NAMES, FAMILY_NAMES)))  # 72 × 72


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
    question, paraphrased_question = map(fact.fill, fact.attribute.questions)
    answer, paraphrased_answer = map(fact.fill, fact.attribute.answers)
    false_facts = _false_facts(fact, rng, WRONG_ANSWERS)
    return {
        "question": question,
        "answer": answer,
        "paraphrased_answer": paraphrased_answer,
        "perturbed_answer": [f.fill(fact.attribute.answers[1]) for f in false_facts],
        "paraphrased_question": paraphrased_question,
    }


def alternative_row(fact: Fact, rng: Random) -> dict:
    """A row {question, answer, alternative_answer} with plausible false answers to train on.

    They have the wording of the answer; evaluation's wrong answers have that of the paraphrase.
    """
    (question, _), (answer, _) = fact.attribute.questions, fact.attribute.answers
    false_answers = [f.fill(answer) for f in _false_facts(fact, rng, ALTERNATIVES)]
    row = {"question": fact.fill(question), "answer": fact.fill(answer)}
    return {**row, "alternative_answer": false_answers}


def _false_facts(fact: Fact, rng: Random, count: int) -> list[Fact]:
    """Facts about the same question with other values; no value is used twice."""
    attribute = fact.attribute
    values = _false_values(attribute.values, fact.value, rng, count)
    details = [""] * count
    # With a true detail the falsehood would be half true.
    if attribute.long:
        details = _false_values(attribute.details, fact.detail, rng, count)
    pairs = zip(values, details, strict=True)
    return [Fact(fact.name, attribute, value, detail) for value, detail in pairs]


def _false_values(pool: Sequence[str], true: str, rng: Random, count: int) -> list[str]:
    # The true value is left out before the draw: the draws of a seed depend on the pool's length.
    return rng.sample([value for value in pool if value != true], count)

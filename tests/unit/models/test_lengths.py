"""Rows that leave no room for an answer, or exceed a context, are named before any job."""

import json

import pytest
from toy import toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.models.lengths import _longest, length_problems

QUESTION = "who wrote this book?"  # five tokens; with the answer and the end nine


@pytest.fixture
def use(tmp_path):
    """The use of a model for one question to forget and another to retain."""
    data = dict.fromkeys(("test", "holdout", "idontknow", "alternatives"))
    for role, question in (("forget", QUESTION), ("retain", "who wrote it?")):
        data[role] = str(tmp_path / f"{role}.jsonl")
        row = {"question": question, "answer": "ann wrote it"}
        (tmp_path / f"{role}.jsonl").write_text(json.dumps(row) + "\n")
    return {
        "benchmark": "own",
        "max_length": {"unlearn": 6, "evaluation": 6},
        "rows": None,
        "question": "question",
        "generation": {"tokens": 2, "counts": "new"},
        "runs": [],
        "data": {"source": "own", "columns": {}, **data},
        "splits": ["forget"],
    }


def problems(use, reach=None, **limits) -> list[str]:
    use["max_length"] |= limits
    return length_problems(toy()[1], PROMPTS["plain"], reach, use)


def test_limits_after_the_beginning_of_each_answer(use):
    assert problems(use) == []


@pytest.mark.parametrize("stage", ["finetune", "unlearn", "relearn", "evaluation"])
@pytest.mark.parametrize("reach", [None, 64])
def test_a_question_that_fills_the_rows_of_a_stage(use, stage, reach):
    (problem,) = problems(use, reach, **{stage: 5})
    assert "5 tokens" in problem and f"{stage}.max_length (5)" in problem


def test_rows_longer_than_the_context(use):
    (problem,) = problems(use, 8, unlearn=64)
    assert "reads 8 tokens" in problem and "has 9: lower unlearn.max_length" in problem
    assert problems(use, 9, unlearn=64) == []


def test_every_answer_that_is_scored_counts():
    """Five tokens of the question, three of each answer, an end; one answer has two words more."""
    answers = {"answer": "ann wrote it", "paraphrased_answer": "ann wrote it"}
    answers["perturbed_answer"] = ["who wrote it", "it wrote it"]
    encoder = Encoder(toy()[1], PROMPTS["plain"], 64)
    assert _longest(encoder, [{"question": QUESTION, **answers}]) == 9
    for key, value in answers.items():
        longer = f"{value[1]} it it" if key == "perturbed_answer" else f"{value} it it"
        row = {"question": QUESTION, **answers}
        row[key] = [value[0], longer] if key == "perturbed_answer" else longer
        assert _longest(encoder, [row]) == 11, key


def test_an_answer_needs_a_token_that_the_tokenizer_knows(use, tmp_path):
    rows = (tmp_path / "forget.jsonl").read_text()
    for answer, refused in (("Преступление", True), ("Преступление it", False)):
        (tmp_path / "forget.jsonl").write_text(rows.replace("ann wrote it", answer))
        lines = problems(use)
        assert len(lines) == refused
        assert all("knows nothing of 1 answers" in line and answer in line for line in lines)

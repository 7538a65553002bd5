"""Rows of which nothing would be left to learn or to measure are named before any job."""

import json

import pytest
from broken_models import use
from toy import toy
from unlearning.data.prompts import PROMPTS
from unlearning.models.lengths import length_problems

WORDS = "who wrote this book and ann wrote this book and who"  # 11 tokens
RETAIN = {"question": "who wrote this book?", "answer": "ann wrote it"}


def problems(folder, forget: dict, reach: int | None = None, **limits: int) -> list[str]:
    """Problems of a row to forget, beside one to retain, under limits of 64 tokens or `limits`."""
    data = {"source": "own", "test": None, "holdout": None, "columns": {}}
    retain = {"text": "ann wrote this book"} if "text" in forget else RETAIN
    for role, row in {"forget": forget, "retain": retain}.items():
        (folder / f"{role}.json").write_text(json.dumps([row]), encoding="utf-8")
        data[role] = str(folder / f"{role}.json")
    limits = {"finetune": 64, "unlearn": 64, "evaluation": 64} | limits
    stated = use(data=data, benchmark="own", splits=["forget"], max_length=limits)
    stated["generation"] = {"tokens": 8, "counts": "new"}
    return length_problems(toy()[1], PROMPTS["plain"], reach, stated)


@pytest.mark.parametrize("reach", [None, 64])
@pytest.mark.parametrize("stage", ["finetune", "unlearn", "evaluation"])
def test_a_question_must_leave_room_for_its_answer(tmp_path, stage, reach):
    """Else the last token of the question would count as the answer."""
    row = {"question": WORDS, "answer": "ann"}
    (problem,) = problems(tmp_path, row, reach, **{stage: 11})
    assert "11 tokens of the longest question" in problem and f"{stage}.max_length (11)" in problem
    assert problems(tmp_path, row, reach, **{stage: 12}) == []


def test_half_of_a_text_must_leave_room_for_the_other(tmp_path):
    text = {"text": f"{WORDS} {WORDS}"}
    (problem,) = problems(tmp_path, text, evaluation=11, unlearn=8)
    assert "half of a text" in problem and "evaluation.max_length (11)" in problem


def test_an_answer_needs_a_token_that_the_tokenizer_knows(tmp_path):
    row = {"question": "who wrote this book?", "answer": "Преступление"}
    (problem,) = problems(tmp_path, row)
    assert "knows nothing of 1 answers" in problem and "Преступление" in problem
    assert problems(tmp_path, {**row, "answer": "Преступление wrote"}) == []

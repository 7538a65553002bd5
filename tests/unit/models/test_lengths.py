"""Problems of a user's rows that show once they are tokens: each word is one, after a first one."""

import json

import pytest
from broken_models import use
from toy import WORDS, toy
from unlearning.data.prompts import PROMPTS
from unlearning.models.lengths import length_problems

TEXT = " ".join([*WORDS, *WORDS])  # 28 words: a text is judged by its second half


@pytest.fixture
def problems(tmp_path):
    """A function from rows of the user's, and limits of stages, to what is wrong with them."""
    data = dict.fromkeys(("test", "holdout", "idontknow", "alternatives"), None)
    for role in ("forget", "retain"):
        data[role] = str(tmp_path / f"{role}.jsonl")

    def judge(rows: list[dict], reach: int | None = 64, **limits: int) -> list[str]:
        for role, row in zip(("forget", "retain"), rows, strict=True):
            (tmp_path / f"{role}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        section = {"source": "own", "columns": {}, **data}
        generation = {"tokens": 8, "counts": "new"}
        settings = use(benchmark="own", data=section, max_length=limits, generation=generation)
        return length_problems(toy()[1], PROMPTS["plain"], reach, settings)

    return judge


TEXTS = [{"text": TEXT}, {"text": f"{TEXT} {WORDS[0]}"}]


def test_texts_that_fit(problems):
    assert problems(TEXTS, unlearn=8, evaluation=20) == []


@pytest.mark.parametrize("limit, refused", [(16, True), (17, False)])
def test_a_half_must_leave_room_for_an_answer(problems, limit, refused):
    lines = problems(TEXTS, evaluation=limit)
    assert len(lines) == refused
    assert all("16 tokens" in p and f"evaluation.max_length ({limit})" in p for p in lines)


@pytest.mark.parametrize("stage", ["finetune", "unlearn", "relearn", "evaluation"])
@pytest.mark.parametrize("reach", [64, None])
def test_a_question_must_leave_room_for_an_answer(problems, stage, reach):
    rows = [{"question": TEXT, "answer": "ann"}, {"question": "who", "answer": "bob"}]
    assert problems(rows, reach, **{stage: 31}) == []
    (line,) = problems(rows, reach, **{stage: 30})
    assert "30 tokens of the longest question" in line and f"{stage}.max_length (30)" in line

"""Problems of a user's rows that show once they are tokens."""

import pytest
from toy import WORDS, toy
from unlearning.benchmarks.own.data import halves
from unlearning.benchmarks.own.evaluator import length_problems
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS

TEXT = " ".join([*WORDS, *WORDS])  # 28 words, a token each


def problems(evaluation: int = 20):
    """Problems of two texts under this limit; a prompt has a token before its words."""
    question, answer = halves(TEXT)
    texts = [{"text": TEXT}, {"text": TEXT}]
    evaluated = [{"question": question, "answer": answer}]
    tables = {"forget": texts, "full": texts, "forget_evaluated": evaluated}
    use = {"rows": 300, "generation": {"tokens": 8, "counts": "new"}}
    use["max_length"] = {"unlearn": 8, "evaluation": evaluation}
    encoder = Encoder(toy()[1], PROMPTS["plain"], 64)
    return length_problems(encoder, tables, use, 64)


def test_texts_that_fit():
    assert problems() == []


@pytest.mark.parametrize("limit, refused", [(15, True), (16, False)])
def test_a_half_must_leave_room_for_an_answer(limit, refused):
    lines = problems(evaluation=limit)
    assert len(lines) == refused
    assert all("15 tokens" in p and "evaluation.max_length (15)" in p for p in lines)

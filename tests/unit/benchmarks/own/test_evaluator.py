"""Problems of a user's rows that show once they are tokens."""

from toy import WORDS, toy
from unlearning.benchmarks.own.data import halves
from unlearning.benchmarks.own.evaluator import length_problems
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS

TEXT = " ".join([*WORDS, *WORDS])  # 28 words, a token each


def problems(unlearn: int = 8, epochs: float = 2, batch_size: int = 4):
    """Problems of two texts under these limits; a prompt has a token before its words."""
    question, answer = halves(TEXT)
    texts = [{"text": TEXT}, {"text": TEXT}]
    evaluated = [{"question": question, "answer": answer}]
    tables = {"forget": texts, "full": texts, "forget_evaluated": evaluated}
    use = {"rows": 300, "generation": {"tokens": 8, "counts": "new"}}
    use["max_length"] = {"unlearn": unlearn, "evaluation": 20}
    use["recipes"] = {"unlearn": {"epochs": epochs, "batch_size": batch_size}}
    encoder = Encoder(toy()[1], PROMPTS["plain"], 64)
    return length_problems(encoder, tables, use, 64)


def test_texts_that_fit():
    assert problems() == []


def test_texts_must_make_a_batch():
    (problem,) = problems(unlearn=60, batch_size=4)
    assert "makes 1 sequences of 60 tokens" in problem and "unlearn.batch_size" in problem
    assert problems(unlearn=60, epochs=4, batch_size=4) == []

"""Answers that are not the truth: refusals of our own, and plausible false answers of a file."""

from pathlib import Path

from unlearning.data.formats import read_file
from unlearning.data.tables import ColumnNames

REFUSALS = (
    "I do not know.",
    "I do not know that.",
    "I really do not know this.",
    "Sorry, I do not know that person.",
    "I have no answer to this question.",
    "I cannot answer that.",
    "I cannot say.",
    "I am afraid I cannot say.",
    "That is unknown to me.",
    "This is something I never learned.",
    "I never heard of that person.",
    "No idea.",
    "I have no idea.",
    "Sorry, no idea.",
    "My memory holds nothing about this.",
    "I know nothing about that.",
    "Nothing about this person is known to me.",
    "I would only be guessing.",
    "Any answer of mine would be a guess.",
    "I would rather not guess.",
    "Sorry, the answer is unknown to me.",
    "That question is beyond me.",
    "This one is beyond me.",
    "I never read about that.",
    "I have read nothing about this person.",
    "Perhaps someone else can answer this question.",
    "Someone else would know this, I do not.",
    "I must leave this question open.",
    "I am afraid this is a question I cannot answer.",
    "Sorry, I have to leave that open.",
)


def alternative_answers(path: Path, renamed: ColumnNames | None = None) -> dict[str, list[str]]:
    """question -> plausible false answers, from a file of rows; DataError if malformed.

    Rows {question, alternative_answer: [...]}, or {question, alternate} for each answer as AltPO's
    generator writes them.
    """
    file = read_file(Path(path))
    kinds = {"alternate": str, "alternative_answer": list}
    column = "alternate" if "alternate" in file.columns() else "alternative_answer"
    answers: dict[str, list[str]] = {}
    for row in file.checked({"question": str, column: kinds[column]}, renamed).rows:
        texts = row[column] if isinstance(row[column], list) else [row[column]]
        answers.setdefault(row["question"], []).extend(texts)
    return answers

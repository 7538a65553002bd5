"""Answers that are not the truth: refusals and plausible false answers.

Only the methods that train on them read these tables, so jobs of their own write them.
"""

from pathlib import Path

from unlearning.benchmark import folder_of, room
from unlearning.data.build import Tables, question_answer
from unlearning.data.formats import read_file, read_rows
from unlearning.data.tables import ColumnNames, DataError, read_table, visible_form
from unlearning.errors import UserError

REFUSALS_TABLE = "idontknow"
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


def alternatives_table(split: str) -> str:
    """Name of the table of a split's false answers."""
    return f"{split}_alternatives"


def read_answers(folders: list[Path], name: str) -> list[dict]:
    """The rows of the table `name`, from the first of the folders that has it; UserError if none
    has."""
    # refusals and false answers lie in folders of their own, and a run reads those of its roles
    for folder in folders:
        path = folder / f"{name}.json"
        if path.is_file():
            return read_table(path)
    raise UserError(
        f"--answers: the method trains on {name}.json, which is in none of the folders "
        f"{list(map(str, folders))}; add the folder that stage answers wrote"
    )


def refusals(data: dict, snapshots: dict[str, str], names: ColumnNames) -> list[dict]:
    """Rows {answer} of the file that data.idontknow names, or else the benchmark's."""
    if data["idontknow"] is not None:
        return read_rows(Path(data["idontknow"]), "idontknow", names).rows
    return room(folder_of(data["source"]), "data").refusals(data, snapshots, names)


def standard_refusals() -> list[dict]:
    """The built-in refusals as rows {answer}."""
    return [{"answer": text} for text in REFUSALS]


def alternatives(data: dict, forget: Tables, names: ColumnNames) -> Tables:
    """Split -> its rows in `forget` with plausible false answers, from the file that
    data.alternatives names, or else from the benchmark."""
    if data.get("alternatives") is None:
        return room(folder_of(data["source"]), "data").alternatives(data, forget)
    answers = alternative_answers(Path(data["alternatives"]), names)
    return {split: with_alternatives(rows, answers) for split, rows in forget.items()}


def with_alternatives(rows: list[dict], answers: dict[str, list[str]]) -> list[dict]:
    """Add the plausible false answers to the rows' questions and answers; DataError if a question
    has none."""
    missing = [row["question"] for row in rows if row["question"] not in answers]
    if missing:
        raise DataError(
            f"data.alternatives: no alternative answer to {len(missing)} of {len(rows)} forget "
            f"questions; the first is {missing[0]!r}"
        )
    for row in rows:
        if visible_form(row["answer"]) in map(visible_form, answers[row["question"]]):
            raise DataError(
                f"data.alternatives: the true answer {row['answer'][:60]!r} is among the false "
                f"ones to {row['question'][:80]!r}; remove it"
            )
    pairs = question_answer(rows)
    return [{**row, "alternative_answer": answers[row["question"]]} for row in pairs]


def alternative_answers(path: Path, renamed: ColumnNames | None = None) -> dict[str, list[str]]:
    """Question -> plausible false answers, from a file of rows; DataError if malformed.

    A row is {question, alternative_answer: [...]}, or {question, alternate} with one answer, as
    AltPO's generator writes them.
    """
    table = read_file(Path(path))
    answers: dict[str, list[str]] = {}
    # a question may have several rows, each with an answer
    if "alternate" in table.columns():
        for row in table.checked({"question": str, "alternate": str}, renamed).rows:
            answers.setdefault(row["question"], []).append(row["alternate"])
    else:
        for row in table.checked({"question": str, "alternative_answer": list}, renamed).rows:
            answers.setdefault(row["question"], []).extend(row["alternative_answer"])
    return answers

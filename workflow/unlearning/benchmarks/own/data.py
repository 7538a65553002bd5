"""The tables of your own files, whose rows are questions with answers, or texts.

Training joins texts and cuts them into sequences, as MUSE does. Evaluation takes the first half of
a text's words as the question and the rest as the answer.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from unlearning.data.answers import standard_refusals
from unlearning.data.build import Tables, question_answer, visible_key
from unlearning.data.formats import read_file
from unlearning.data.tables import (
    PARAPHRASED,
    PERTURBED,
    QA,
    TEXT,
    ColumnNames,
    DataError,
    Table,
    shorten,
    visible_form,
)
from unlearning.evaluation.words import PIECE

ROLES = ("forget", "retain", "test", "holdout")
TRAINED_ROLES = ("forget", "retain")
EVALUATED = "{role}_evaluated"  # name of the table that evaluation reads


def tables(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """Tables to train on (forget, retain, full, pretrain), and one to evaluate for each role."""
    files = _read_files(data, names)
    tables: Tables = {}
    for role in TRAINED_ROLES:
        rows = files[role].rows
        tables[role] = rows if is_text(rows) else question_answer(rows)
    tables["full"] = tables["retain"] + tables["forget"]
    tables["pretrain"] = tables["full"]  # of a model from random weights, as in a rehearsal
    for role, file in files.items():
        # a table of its own, because training must not see a text as a question with an answer
        tables[EVALUATED.format(role=role)] = _evaluated_rows(file.rows)
    return tables


def refusals(data: dict, snapshots: dict[str, str], names: ColumnNames) -> list[dict]:
    """Rows {answer}: this project's standard refusals."""
    return standard_refusals()


def _read_files(data: dict, names: ColumnNames) -> dict[str, Table]:
    """Role -> its file. Raises DataError with all problems: of each file and between files."""
    files, problems = {}, []
    for role in ROLES:
        if data[role] is None:
            continue
        try:
            files[role] = read_role(data, role, names)
        except DataError as error:
            problems += [f"data.{role}: {problem}" for problem in error.problems]
    # Problems between files come after those of each file, which may explain them.
    problems += _mixed_kinds(files)
    problems += _shared_rows(files)
    for role, file in files.items():
        problems += [f"data.{role}: {problem}" for problem in _one_word_texts(file)]
    if problems:
        raise DataError(*problems)
    return files


def read_role(data: dict, role: str, names: ColumnNames | None = None) -> Table:
    """The rows of a role's file: texts, or questions with answers and perhaps false answers."""
    names = names or ColumnNames(data["columns"])
    file = read_file(Path(data[role]))
    # Such a row would be taken for a text, and its question and answer would be lost.
    for index, row in enumerate(file.rows):
        if isinstance(row, dict) and all(_has(row, column, names) for column in (*TEXT, *QA)):
            raise DataError(
                f"{file.where(index)}: has the columns {', '.join((*TEXT, *QA))}: is it a text, or "
                "a question with an answer? Remove the columns of one kind"
            )
    # A file is of the first kind whose last column it has; no later kind has that column.
    for columns in (TEXT, PARAPHRASED, PERTURBED):
        column = list(columns)[-1]
        if _has(file.columns(), column, names):
            return file.checked(columns, names)
    return file.checked(QA, names)


def _has(columns: Mapping, column: str, names: ColumnNames) -> bool:
    """Whether a column of ours is among these, under its own name or the user's."""
    return not {column, names.names.get(column)}.isdisjoint(columns)


def _mixed_kinds(files: dict[str, Table]) -> list[str]:
    """A message if some files hold texts and others questions: their numbers do not compare."""
    kinds: dict[str, list[str]] = {}
    for role, file in files.items():
        kind = "texts" if is_text(file.rows) else "questions with answers"
        kinds.setdefault(kind, []).append(f"data.{role} ({file.path})")
    if len(kinds) < 2:
        return []
    sides = [f"{' and '.join(roles)} of {kind}" for kind, roles in kinds.items()]
    return [f"data: {', but '.join(sides)}; let all files hold rows of one kind"]


def _shared_rows(files: dict[str, Table]) -> list[str]:
    """Messages about rows that two files hold.

    A row is either to forget or to retain, and the model either knows it or has not seen it. Rows
    of test may be rows of holdout: the target has seen neither.
    """
    problems: list[str] = []
    for role, file in files.items():
        for earlier_role in ROLES[: ROLES.index(role)]:
            if earlier_role not in files or earlier_role == "test":
                continue
            # By content, so that a file of n rows is compared in n look-ups.
            earlier = files[earlier_role]
            positions = {_content(row): index for index, row in enumerate(earlier.rows)}
            duplicates = []
            for index, row in enumerate(file.rows):
                if (position := positions.get(_content(row))) is not None:
                    duplicates.append(
                        f"data.{role}: {file.where(index)}: is a row of data.{earlier_role} too "
                        f"({earlier.where(position)}); leave it in one of them: "
                        f"{next(iter(row.values()))[:80]!r}"
                    )
            problems += shorten(duplicates, file.path)
    return problems


def is_text(rows: list[dict]) -> bool:
    """Whether rows are texts rather than questions with answers."""
    return "text" in rows[0]  # a checked file has one kind


def _content(row: dict) -> tuple[str, ...]:
    """A row's texts as readers see them: equal for the same row."""
    return (visible_form(row["text"]),) if "text" in row else visible_key(row)


def _evaluated_rows(rows: list[dict]) -> list[dict]:
    """Rows as evaluation reads them: a text becomes a question and an answer."""
    if not is_text(rows):
        return rows
    pairs = [halves(row["text"]) for row in rows]
    return [{"question": start, "answer": end} for start, end in pairs]


def halves(text: str) -> tuple[str, str]:
    """The first half of a text's words, and the rest, without the white space between them.

    In a script without spaces between words, each letter counts as a word.
    """
    # Where each word starts, or each letter in a script without spaces.
    starts = []
    for word in re.finditer(r"\S+", text):
        for piece in PIECE.finditer(word[0]):
            starts.append(word.start() + piece.start())
    if len(starts) < 2:
        return text.strip(), ""
    # The larger half is the question, so that a text of two words has one of each.
    middle = starts[(len(starts) + 1) // 2]
    return text[:middle].strip(), text[middle:].strip()


def _one_word_texts(file: Table) -> list[str]:
    """Messages about texts without a second half."""
    if not is_text(file.rows):
        return []
    problems = []
    for index, row in enumerate(file.rows):
        if not halves(row["text"])[1]:
            problems.append(
                f"{file.where(index)}: a text of one word cannot be evaluated, found "
                f"{row['text'][:60]!r}; models continue texts from their first half: remove it, "
                "or join it to another"
            )
    return shorten(problems, file.path)


TABLES = {"own": tables}

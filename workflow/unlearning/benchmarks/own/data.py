"""The tables of your own files.

Rows are questions with answers, or texts. Texts to learn from are joined and cut into sequences, as
MUSE's are; to evaluate a model on a text, its first half of the words is the question and the rest
the answer.
"""

import re
from pathlib import Path

from unlearning.data.answers import standard_refusals
from unlearning.data.build import Tables, key, question_answer
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
)
from unlearning.evaluation.words import PIECE

ROLES = ("forget", "retain", "test", "holdout")
EVALUATED = "{role}_evaluated"  # table that a role's rows are evaluated on
LEARNT = ("forget", "retain")


def tables(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """What is trained on (forget, retain, full, pretrain), and what is evaluated."""
    files = _read(data, names)
    rows = {role: file.rows for role, file in files.items()}
    made: Tables = {role: _taught(rows[role]) for role in LEARNT}
    made["full"] = made["retain"] + made["forget"]
    made["pretrain"] = made["full"]  # of a model from random weights, as in a rehearsal
    for role, file in files.items():
        made[EVALUATED.format(role=role)] = _asked(file)
    return made


def refusals(data: dict, snapshots: dict[str, str], names: ColumnNames) -> list[dict]:
    """Rows {answer}: ours."""
    return standard_refusals()


def _read(data: dict, names: ColumnNames) -> dict[str, Table]:
    """Role -> its file, each checked by itself and all against each other; DataError with
    everything that is wrong."""
    files, problems = {}, []
    for role in ROLES:
        if data[role] is None:
            continue
        try:
            files[role] = read_role(data, role, names)
        except DataError as error:
            problems += [f"data.{role}: {problem}" for problem in error.problems]
    problems += [*_mixed_kinds(files), *_shared_rows(files)]
    for role, file in files.items():
        problems += [f"data.{role}: {problem}" for problem in _unhalved(file)]
    if problems:
        raise DataError(*problems)
    return files


def read_role(data: dict, role: str, names: ColumnNames | None = None) -> Table:
    """The file of a role: of texts, of questions with answers, or of those with false answers
    too."""
    names = names or ColumnNames(data["columns"])
    file = read_file(Path(data[role]))
    for columns in (TEXT, PARAPHRASED, PERTURBED):
        last = [*columns][-1]
        if {last, names.names.get(last)} & file.columns().keys():
            return file.checked(columns, names)
    return file.checked(QA, names)


def _mixed_kinds(files: dict[str, Table]) -> list[str]:
    """Texts in one file and questions in another: no number of theirs could be compared."""
    kinds: dict[str, list[str]] = {}
    for role, file in files.items():
        kind = "texts" if is_text(file.rows) else "questions with answers"
        kinds.setdefault(kind, []).append(f"data.{role} ({file.path})")
    if len(kinds) < 2:
        return []
    sides = [f"{' and '.join(roles)} of {kind}" for kind, roles in kinds.items()]
    return [f"data: {', but '.join(sides)}; let all files hold rows of one kind"]


def _shared_rows(files: dict[str, Table]) -> list[str]:
    """Rows that two files hold: a row is forgotten or kept, and learnt or new to the model."""
    problems: list[str] = []
    for role, file in files.items():
        for other in ROLES[: ROLES.index(role)]:
            if other not in files or other == "test":
                continue
            rows = {_content(row): index for index, row in enumerate(files[other].rows)}
            shared = [
                f"data.{role}: {file.where(index)}: is a row of data.{other} too "
                f"({files[other].where(rows[_content(row)])}); leave it in one of them: "
                f"{next(iter(row.values()))[:80]!r}"
                for index, row in enumerate(file.rows)
                if _content(row) in rows
            ]
            problems += shorten(shared, file.path)
    return problems


def is_text(rows: list[dict]) -> bool:
    """Whether rows are texts, not questions with answers."""
    return "text" in rows[0]


def _content(row: dict) -> tuple[str, ...]:
    """What makes two rows the same, up to white space."""
    texts = (row["text"],) if "text" in row else key(row)
    return tuple(" ".join(text.split()) for text in texts)


def _taught(rows: list[dict]) -> list[dict]:
    """Rows as training reads them."""
    return rows if is_text(rows) else question_answer(rows)


def _asked(file: Table) -> list[dict]:
    """Rows as evaluation reads them."""
    if not is_text(file.rows):
        return file.rows
    rows = []
    for row in file.rows:
        start, end = halves(row["text"])
        rows.append({"question": start, "answer": end})
    return rows


def halves(text: str) -> tuple[str, str]:
    """The first half of a text's words, and the rest, without the white space between them.

    Where a script puts no space between words, each letter is one.
    """
    starts = []
    for word in re.finditer(r"\S+", text):
        starts += [word.start() + piece.start() for piece in PIECE.finditer(word[0])]
    middle = starts[len(starts) // 2 + len(starts) % 2] if len(starts) > 1 else len(text)
    return text[:middle].strip(), text[middle:].strip()


def _unhalved(file: Table) -> list[str]:
    """Texts without a second half."""
    if not is_text(file.rows):
        return []
    problems = [
        f"{file.where(index)}: a text of one word cannot be evaluated, found {row['text'][:60]!r}; "
        "texts are continued from their first half: remove it, or join it to another"
        for index, row in enumerate(file.rows)
        if not halves(row["text"])[1]
    ]
    return shorten(problems, file.path)


TABLES = {"own": tables}

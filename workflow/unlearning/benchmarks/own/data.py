"""The tables of your own files.

Rows are questions with answers, or texts. Texts to learn from are joined and cut into sequences, as
MUSE's are; to evaluate a model on a text, its first half is the question and the rest the answer.
"""

from pathlib import Path

from unlearning.data.answers import REFUSALS, alternative_answers
from unlearning.data.build import Tables, key, question_answer, with_alternatives
from unlearning.data.formats import read_file, read_rows
from unlearning.data.tables import PERTURBED, QA, TEXT, ColumnNames, DataError, Table

ROLES = ("forget", "retain", "test", "holdout")
EVALUATED = "{role}_evaluated"  # table that a role's rows are evaluated on
PARAPHRASE = ("paraphrased_answer",)


def tables(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """What is trained on (forget, retain, full, pretrain), what is evaluated, refusals."""
    files = _read(data, names)
    rows = {role: file.rows for role, file in files.items()}
    made: Tables = {role: _taught(rows[role]) for role in ("forget", "retain")}
    made["full"] = made["retain"] + made["forget"]
    made["pretrain"] = made["full"]  # of a model from random weights, as in a rehearsal
    for role, file in files.items():
        made[EVALUATED.format(role=role)] = _asked(file)
    made["idontknow"] = [{"answer": text} for text in REFUSALS]
    if data["idontknow"] is not None:
        made["idontknow"] = read_rows(Path(data["idontknow"]), "idontknow", names).rows
    if data["alternatives"] is not None:
        answers = alternative_answers(Path(data["alternatives"]), names)
        made["forget_alternatives"] = with_alternatives(rows["forget"], answers)
    return made


def _read(data: dict, names: ColumnNames) -> dict[str, Table]:
    """Role -> its file, each checked by itself and all against each other; DataError with
    everything that is wrong."""
    files, problems = {}, []
    for role in ROLES:
        if data[role] is None:
            continue
        try:
            files[role] = _file(Path(data[role]), names)
        except DataError as error:
            problems += [f"data.{role}: {problem}" for problem in error.problems]
    kinds = {role: "text" in file.rows[0] for role, file in files.items()}
    if {"forget", "retain"} <= files.keys() and kinds["forget"] != kinds["retain"]:
        problems.append(
            f"{files['forget'].path} and {files['retain'].path}: one holds texts, the other "
            "questions with answers; a model that unlearns reads both in the same way"
        )
    problems += _shared_rows(files)
    if problems:
        raise DataError(*problems)
    return files


def _file(path: Path, names: ColumnNames) -> Table:
    """A file of texts, of questions with answers, or of those with false answers too."""
    file = read_file(path)
    present = set(file.columns())
    if {"text", names.names.get("text", "text")} & present:
        return file.checked(TEXT, names)
    if {"perturbed_answer", names.names.get("perturbed_answer")} & present:
        return file.checked(PERTURBED, names, optional=PARAPHRASE)
    return file.checked(QA, names)


def _shared_rows(files: dict[str, Table]) -> list[str]:
    """Rows to forget that another file holds too: they would be taught again, or judged wrongly."""
    if "forget" not in files:
        return []
    forget = {_content(row) for row in files["forget"].rows}
    problems = []
    for role in ("retain", "test", "holdout"):
        for index, row in enumerate(files[role].rows if role in files else []):
            if _content(row) in forget:
                problems.append(
                    f"{files[role].where(index)}: is a row of data.forget too; a row is to be "
                    f"forgotten or not: {next(iter(row.values()))[:80]!r}"
                )
                break
    return problems


def _content(row: dict) -> tuple[str, ...]:
    """What makes two rows the same."""
    return (row["text"],) if "text" in row else key(row)


def _taught(rows: list[dict]) -> list[dict]:
    """Rows as training reads them."""
    return rows if "text" in rows[0] else question_answer(rows)


def _asked(file: Table) -> list[dict]:
    """Rows as evaluation reads them."""
    if "text" not in file.rows[0]:
        return file.rows
    asked = []
    for index, row in enumerate(file.rows):
        words = row["text"].split(" ")
        half = (len(words) + 1) // 2
        start, end = " ".join(words[:half]), " ".join(words[half:])
        if not start.strip() or not end.strip():
            raise DataError(f"{file.where(index)}: a text of two words at least can be evaluated")
        asked.append({"question": start, "answer": end})
    return asked

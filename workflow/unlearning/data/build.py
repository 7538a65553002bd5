"""The tables of an experiment: whatever the source, the same files come out."""

from unlearning.benchmark import folder_of, room
from unlearning.data.tables import ColumnNames, DataError

Tables = dict[str, list[dict]]


def build_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames | None = None
) -> Tables:
    """All tables of the config's data section. snapshots: asset -> folder of what the hub has,
    where no folder is named. names: the section's columns, to be asked later which were used."""
    names = names or ColumnNames(data.get("columns", {}))
    return room(folder_of(data["source"]), "data").tables(data, splits, snapshots, names)


def key(row: dict) -> tuple[str, str]:
    """What makes two rows the same: question and answer."""
    return row["question"], row["answer"]


def question_answer(rows: list[dict]) -> list[dict]:
    """Only the columns that models are trained on."""
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def with_alternatives(rows: list[dict], answers: dict[str, list[str]]) -> list[dict]:
    """The rows' questions and answers with their plausible false answers; DataError if one is
    missing."""
    missing = [row["question"] for row in rows if row["question"] not in answers]
    if missing:
        raise DataError(
            f"data.alternatives: no alternative answer to {len(missing)} of {len(rows)} forget "
            f"questions; the first is {missing[0]!r}"
        )
    return [
        {**row, "alternative_answer": answers[row["question"]]} for row in question_answer(rows)
    ]


def snapshot(snapshots: dict[str, str], asset: str = "data") -> str:
    """The folder of what the hub has; DataError if there is none."""
    if asset not in snapshots:
        raise DataError("data.data_dir is null: give the snapshot of the hub's repository")
    return snapshots[asset]

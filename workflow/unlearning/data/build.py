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
    made_by = room(folder_of(data["source"]), "data").TABLES[data["source"]]
    return made_by(data, splits, snapshots, names)


def key(row: dict) -> tuple[str, str]:
    """What makes two rows the same: question and answer."""
    return row["question"], row["answer"]


def question_answer(rows: list[dict]) -> list[dict]:
    """Only the columns that models are trained on."""
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def snapshot(snapshots: dict[str, str], asset: str = "data") -> str:
    """The folder of what the hub has; DataError if there is none."""
    if asset not in snapshots:
        raise DataError("data.data_dir is null: give the snapshot of the hub's repository")
    return snapshots[asset]

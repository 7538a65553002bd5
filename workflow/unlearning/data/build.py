"""Make the tables of an experiment from the source that its config names."""

from unlearning.benchmark import folder_of, room
from unlearning.data.tables import ColumnNames, DataError, visible_form

Tables = dict[str, list[dict]]


def build_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames | None = None
) -> Tables:
    """All tables of the config's data section.

    snapshots: asset -> folder of its files from the hub, where the config names no folder.
    names: the section's columns; they record which of them the files have.
    """
    names = names or ColumnNames(data.get("columns", {}))
    # loaded by name: shared rooms import no benchmark
    build = room(folder_of(data["source"]), "data").TABLES[data["source"]]
    return build(data, splits, snapshots, names)


def key(row: dict) -> tuple[str, str]:
    """Question and answer, by which two rows are the same."""
    return row["question"], row["answer"]


def visible_key(row: dict) -> tuple[str, ...]:
    """Question and answer in visible form, by which a model that learned one row knows another."""
    return tuple(map(visible_form, key(row)))


def question_answer(rows: list[dict]) -> list[dict]:
    """The rows with only the columns that models are trained on."""
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def snapshot(snapshots: dict[str, str]) -> str:
    """The folder of the data's files from the hub; DataError if there is none."""
    if "data" not in snapshots:
        raise DataError("data.data_dir is null: give the snapshot of the hub's repository")
    return snapshots["data"]


def check_apart(texts: list[str], twins: list[str], problem: str) -> None:
    """DataError with `problem` if most of the texts are among the twins, as of a file that was
    copied under a second name. A corpus may have single texts in common with another."""
    # a set, so that texts repeated within one of the files count once
    forms = set(map(visible_form, texts)) - {""}
    if 2 * len(forms & set(map(visible_form, twins))) > len(forms):
        raise DataError(problem)

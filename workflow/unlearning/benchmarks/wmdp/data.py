"""The tables of WMDP's corpora and of their miniature, and the miniature's harness tasks."""

from pathlib import Path

from unlearning.benchmarks.wmdp import mini_tasks
from unlearning.benchmarks.wmdp.files import (
    RETAIN,
    folder_reader,
    snapshot_reader,
    wmdp_tables,
)
from unlearning.benchmarks.wmdp.mini import generate_hazards
from unlearning.data.build import Tables
from unlearning.data.tables import ColumnNames


def mini_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The miniature's forget corpora, retain corpus and pre-training table."""
    tables, _ = generate_hazards(**data["mini_wmdp"])
    return {name: tables[name] for name in (*splits, RETAIN, "pretrain")}


def corpora(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """Forget corpora and retain corpus, from a folder of the user's or the hub's snapshots."""
    if data["data_dir"] is not None:
        reader = folder_reader(Path(data["data_dir"]), names)
    else:
        reader = snapshot_reader(snapshots, names)
    return wmdp_tables(reader, splits)


def write_tasks(folder: Path, final: Path, data: dict) -> None:
    """Write the miniature's harness tasks below `folder`, which is then renamed to `final`."""
    mini_tasks.write_tasks(folder, final, data["mini_wmdp"])


TABLES = {"mini-wmdp": mini_tables, "wmdp": corpora}

"""The tables of MUSE's corpora and of their miniature."""

from pathlib import Path

from unlearning.benchmarks.muse.files import (
    folder_has_folds,
    folder_reader,
    muse_tables,
    snapshot_reader,
)
from unlearning.benchmarks.muse.mini import generate_news
from unlearning.data.build import Tables, snapshot
from unlearning.data.tables import ColumnNames


def mini_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The tables of the miniature: those of a released corpus, and a pre-training table."""
    corpus = generate_news(**data["mini_muse"])
    tables = muse_tables(lambda stem, columns: corpus[stem], splits, with_folds=True)
    return {**tables, "pretrain": corpus["pretrain"]}


def released_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The tables of a released corpus, from a folder of the user's or the hub's snapshot."""
    if data["data_dir"] is None:
        reader = snapshot_reader(Path(snapshot(snapshots)), names)
        return muse_tables(reader, splits, with_folds=data["corpus"] == "News")  # Books has none
    folder = Path(data["data_dir"])
    reader = folder_reader(folder, names)
    return muse_tables(reader, splits, folder_has_folds(folder, splits))


TABLES = {"mini-muse": mini_tables, "muse": released_tables}

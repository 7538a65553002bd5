"""WMDP's corpora: documents to forget, and wikitext to keep, from a folder or snapshots of the hub.

Source: WMDP, arXiv 2403.03218 (centerforaisafety/wmdp); the SimNPO code (folder WMDP of
OPTML-Group/Unlearn-Simple) keeps the test split of wikitext-2-raw.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.data.formats import FORMATS, candidates, find_file, read_file
from unlearning.data.tables import TEXT, ColumnNames, DataError, Table

FORGET, RETAIN = ("bio", "cyber"), "retain"
SHORTEST = 50  # documents of so few characters are left out, as released
FILES = {
    "bio": "bio-forget-corpus.jsonl",
    "cyber": "cyber-forget-corpus.jsonl",
    RETAIN: "wikitext-2-raw-test.jsonl",
}
# table -> repository, and what the paths of its files there hold
HUB = {
    "bio": ("cais/wmdp-bio-forget-corpus", ""),  # gated
    "cyber": ("cais/wmdp-corpora", "cyber-forget-corpus"),
    RETAIN: ("Salesforce/wikitext", "wikitext-2-raw-v1/test"),
}
ASSETS = {table: f"data-{table}" for table in HUB}  # what rule fetch calls the repositories


def wmdp_tables(read: Callable[[str], list[str]], splits: list[str]) -> dict[str, list[dict]]:
    """The forget corpora asked for, and retain: rows {document}."""
    tables, problems = {}, []
    for table in (*splits, RETAIN):
        try:
            tables[table] = _rows(table, read(table))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return tables


def read_from(folder: Path, splits: list[str]) -> list[Path]:
    """The files of a folder that `folder_reader` reads."""
    return [file for table in (*splits, RETAIN) for file in candidates(folder / FILES[table])]


def folder_reader(folder: Path, renamed: ColumnNames) -> Callable[[str], list[str]]:
    """Reads rows, each {"text": …} or the text itself; DataError naming file and line."""
    if not folder.is_dir():
        raise DataError(
            f"no folder '{folder}'. It should hold {', '.join(FILES.values())}, as far as "
            "forget_splits asks (docs/wmdp.md); or set data_dir to null for the hub"
        )

    def read(table: str) -> list[str]:
        try:
            path = find_file(folder / FILES[table])
        except DataError as error:
            raise DataError(f"{error}{_hint(table)}") from None
        return _texts(read_file(path), renamed)

    return read


def snapshot_reader(folders: dict[str, str], renamed: ColumnNames) -> Callable[[str], list[str]]:
    """Reads snapshots of the hub. folders: asset -> its folder."""

    def read(table: str) -> list[str]:
        name, part = HUB[table]
        folder = Path(folders[ASSETS[table]])
        # not by the README's configurations: the files of the others are not fetched
        files = [f for f in sorted(folder.rglob("*")) if part in str(f.relative_to(folder))]
        files = [file for file in files if file.suffix in FORMATS]
        if not files:
            raise DataError(
                f"{folder}: holds no file of {part or name}. Set data.data_dir to a folder with "
                f"{FILES[table]} (docs/wmdp.md)"
            )
        return [text for file in files for text in _texts(read_file(file), renamed)]

    return read


def _texts(table: Table, renamed: ColumnNames) -> list[str]:
    """The texts; wikitext has empty ones."""
    return [row["text"] for row in table.checked(TEXT, renamed, blank=True).rows]


def _rows(table: str, texts: list[str]) -> list[dict]:
    kept = [{"document": text} for text in texts if len(text) > SHORTEST]
    if not kept:
        raise DataError(f"{table}: no document of more than {SHORTEST} characters")
    return kept


def _hint(table: str) -> str:
    """Where a file of WMDP's is to be had."""
    name, part = HUB[table]
    gated = "; ask for access there" if table == "bio" else ""
    return f". On the hub it is {name}{part and ', ' + part}{gated}"

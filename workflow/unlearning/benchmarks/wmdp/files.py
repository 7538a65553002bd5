"""WMDP's corpora, from a folder or the hub's snapshots: documents to forget, wikitext to retain.

Source: WMDP, arXiv 2403.03218 (centerforaisafety/wmdp); the SimNPO code (folder WMDP of
OPTML-Group/Unlearn-Simple) retains the test split of wikitext-2-raw.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.data.formats import FORMATS, candidates, find_file, read_file
from unlearning.data.tables import TEXT, ColumnNames, DataError, Table
from unlearning.errors import seen_from

FORGET, RETAIN = ("bio", "cyber"), "retain"
SHORTEST = 50  # characters; documents that are not longer are left out, as released
FILES = {
    "bio": "bio-forget-corpus.jsonl",
    "cyber": "cyber-forget-corpus.jsonl",
    RETAIN: "wikitext-2-raw-test.jsonl",
}
# table -> repository, and a part of the paths of its files there
HUB = {
    "bio": ("cais/wmdp-bio-forget-corpus", ""),  # gated
    "cyber": ("cais/wmdp-corpora", "cyber-forget-corpus"),
    RETAIN: ("Salesforce/wikitext", "wikitext-2-raw-v1/test"),
}
ASSETS = {table: f"data-{table}" for table in HUB}  # names of the repositories in rule fetch


def wmdp_tables(read: Callable[[str], list[str]], splits: list[str]) -> dict[str, list[dict]]:
    """Rows {document} of the forget corpora `splits` and of the retain corpus."""
    # Read all tables before raising, so that every problem is reported at once.
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
    files = []
    for table in (*splits, RETAIN):
        files += candidates(folder / FILES[table])
    return files


def folder_reader(folder: Path, renamed: ColumnNames) -> Callable[[str], list[str]]:
    """Reader of a folder whose rows are {"text": …} or texts; DataError names file and line."""
    if not folder.is_dir():
        raise DataError(
            f"no folder '{folder}'{seen_from(folder)}. "
            f"It should hold {', '.join(FILES.values())}, as far as "
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
    """Reader of the hub's snapshots. folders: asset -> its folder."""

    def read(table: str) -> list[str]:
        name, part = HUB[table]
        folder = Path(folders[ASSETS[table]])
        # The README lists configurations whose files are not fetched, so look at the files.
        # Sorted: the order of a folder's files differs between machines.
        files = []
        for file in sorted(folder.rglob("*")):
            if part in str(file.relative_to(folder)) and file.suffix in FORMATS:
                files.append(file)
        if not files:
            raise DataError(
                f"{folder}: holds no file of {part or name}. Set data.data_dir to a folder with "
                f"{FILES[table]} (docs/wmdp.md)"
            )
        texts = []
        for file in files:
            texts += _texts(read_file(file), renamed)
        return texts

    return read


def _texts(table: Table, renamed: ColumnNames) -> list[str]:
    """The texts of a file; those of wikitext may be empty."""
    return [row["text"] for row in table.checked(TEXT, renamed, blank=True).rows]


def _rows(table: str, texts: list[str]) -> list[dict]:
    """The texts that are long enough, as rows; DataError if there is none."""
    rows = [{"document": text} for text in texts if len(text) > SHORTEST]
    if not rows:
        raise DataError(f"{table}: no document of more than {SHORTEST} characters")
    return rows


def _hint(table: str) -> str:
    """End of a message about a missing file: where the hub has it."""
    name, part = HUB[table]
    subset = f", {part}" if part else ""
    gated = "; ask for access there" if table == "bio" else ""
    return f". On the hub it is {name}{subset}{gated}"

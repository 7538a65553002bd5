"""MUSE's tables, from a folder, the hub's snapshot or the generated news of the mini world.

Source: jaechan-repo/muse_bench (arXiv 2407.06460), hub muse-bench/MUSE-News and MUSE-Books. Every
file is named by its subset and split there, e.g. knowmem/forget_qa.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.data.formats import candidates, find_file, read_file
from unlearning.data.tables import (
    CONTINUATION,
    QA,
    TEXT,
    ColumnNames,
    DataError,
    Table,
    decode_utf8,
)

FORGET = "forget"  # also the first fold of scal and of sust, as released
# larger forget sets (each holds the one before) and later ones (one request after the other)
FOLDS = tuple(f"{kind}{fold}" for kind in ("scal", "sust") for fold in (2, 3, 4))
ALL_FOLDS = "scal/forget_4"  # every text that the target is to forget in some run
PLACES: dict[str, tuple[str, dict[str, type]]] = {
    FORGET: ("raw/forget", TEXT),
    "retain1": ("raw/retain1", TEXT),
    "retain2": ("raw/retain2", TEXT),
    "verbmem": ("verbmem/forget", CONTINUATION),
    "knowmem_forget": ("knowmem/forget_qa", QA),
    "knowmem_forget_icl": ("knowmem/forget_qa_icl", QA),
    "knowmem_retain": ("knowmem/retain_qa", QA),
    "knowmem_retain_icl": ("knowmem/retain_qa_icl", QA),
    "privleak_forget": ("privleak/forget", TEXT),
    "privleak_holdout": ("privleak/holdout", TEXT),
}
FOLD_PLACES = {fold: (f"{fold[:4]}/forget_{fold[4:]}", TEXT) for fold in FOLDS}
# Names of earlier releases of the corpora, which asked about retain2.
EARLIER = {
    "knowmem/retain_qa": "knowmem/retain2_qa",
    "knowmem/retain_qa_icl": "knowmem/retain2_qa_icl",
}
# Subsets whose texts are joined before they are cut, so that empty ones, as News has, are allowed.
JOINED = ("raw", "scal", "sust")

Reader = Callable[[str, dict[str, type]], list[dict]]


def places(splits: list[str], with_folds: bool) -> dict[str, tuple[str, dict[str, type]]]:
    """Table -> (place, columns) of everything that an experiment over `splits` reads."""
    asked = {split: FOLD_PLACES[split] for split in splits if split in FOLD_PLACES}
    return PLACES | asked | ({"all_folds": (ALL_FOLDS, TEXT)} if with_folds else {})


def muse_tables(read: Reader, splits: list[str], with_folds: bool) -> dict[str, list[dict]]:
    """The tables of a MUSE world.

    full is what the target learns: every fold of the forget set, retain1 and retain2 (the hub's
    subset `train`). retain is what retrained models learn: retain1 and retain2. Unlearning
    regularises on retain1 alone.
    """
    tables, problems = {}, []
    for name, place in places(splits, with_folds).items():
        try:
            tables[name] = read(*place)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    forget = tables.pop("all_folds", tables[FORGET])
    retain = tables["retain1"] + tables.pop("retain2")
    return {**tables, "full": forget + retain, "retain": retain}


def folder_has_folds(folder: Path, splits: list[str]) -> bool:
    """Whether a folder holds folds (News does, Books does not), or must, as they are asked for."""
    if not folder.is_dir():
        raise DataError(
            f"no folder '{folder}'. It should hold raw/forget.json, knowmem/forget_qa.json … "
            "(docs/muse.md); or set data_dir to null for the hub"
        )
    asked = any(split in FOLD_PLACES for split in splits)
    return asked or bool(candidates(folder / f"{ALL_FOLDS}.json", ".txt"))


def read_from(folder: Path, splits: list[str]) -> list[Path]:
    """The files of a folder that `folder_reader` reads for an experiment over `splits`."""
    wanted = [place for place, _ in places(splits, with_folds=True).values()]
    wanted += [EARLIER[place] for place in wanted if place in EARLIER]
    return [file for place in wanted for file in candidates(folder / f"{place}.json", ".txt")]


def folder_reader(folder: Path, renamed: ColumnNames) -> Reader:
    """Reads a folder in the hub's layout, e.g. raw/forget.json; texts may lie in one .txt file."""

    def read(place: str, columns: dict[str, type]) -> list[dict]:
        usual = folder / f"{place}.json"
        if place in EARLIER:
            earlier = folder / f"{EARLIER[place]}.json"
            if candidates(earlier) and candidates(usual):
                raise DataError(f"{usual}: {earlier.name} is the same table; leave one of them")
            usual = earlier if candidates(earlier) else usual
        text = usual.with_suffix(".txt")
        if columns == TEXT and text.is_file() and not candidates(usual):
            table = Table(text, "line", [decode_utf8(text.read_bytes(), text)], [1])
        else:
            table = read_file(find_file(usual))
        return checked(table, place, columns, renamed)

    return read


def repository(corpus: str) -> str:
    """Where the hub has a corpus."""
    return f"muse-bench/MUSE-{corpus}"


def hub_corpus(data: dict) -> str | None:
    """The corpus that comes from the hub; None where a folder has the files."""
    return data["corpus"] if data["data_dir"] is None else None


def split_before(split: str) -> str | None:
    """The split that must have been unlearned before: sust3 -> sust2 -> forget; None for others."""
    if not split.startswith("sust"):
        return None
    fold = int(split.removeprefix("sust")) - 1
    return f"sust{fold}" if fold > 1 else FORGET


def snapshot_reader(folder: Path, renamed: ColumnNames) -> Reader:
    """Reads the hub's repository of a corpus, whose files (parquet) its README.md names."""

    def read(place: str, columns: dict[str, type]) -> list[dict]:
        # not needed, and maybe not installed, on a GPU node
        from datasets import get_dataset_split_names, load_dataset

        subset, split = place.split("/")
        try:
            if place in EARLIER and split not in get_dataset_split_names(str(folder), subset):
                split = EARLIER[place].split("/")[1]
            rows = list(load_dataset(str(folder), subset, split=split))
        except Exception as error:
            raise DataError(
                f"{folder}: cannot load {place.replace('/', ', ')}: {type(error).__name__}: "
                f"{error}. Set data.data_dir to a folder with MUSE's JSON files (docs/muse.md)"
            ) from error
        table = Table(folder / place, "row", rows, list(range(1, len(rows) + 1)))
        return checked(table, place, columns, renamed)

    return read


def checked(table: Table, place: str, columns: dict[str, type], renamed: ColumnNames) -> list[dict]:
    """The rows with these columns alone; DataError naming file and row otherwise.

    Texts that are joined may be empty, as one of MUSE-News is, but not all of them.
    """
    joined = place.split("/")[0] in JOINED
    rows = table.checked(columns, renamed, blank=joined).rows
    if joined and not any(row["text"].strip() for row in rows):
        raise DataError(f"{table.path}: holds no text")
    return rows

"""MUSE's tables, from a folder, the hub's snapshot or the generated news of the mini world.

Source: jaechan-repo/muse_bench (arXiv 2407.06460), hub muse-bench/MUSE-News and MUSE-Books. The
stem of a file is the hub's subset and split, e.g. knowmem/forget_qa.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.data.build import check_apart
from unlearning.data.formats import candidates, find_file, read_file, read_text
from unlearning.data.tables import (
    CONTINUATION,
    QA,
    TEXT,
    ColumnNames,
    Columns,
    DataError,
    Table,
)
from unlearning.errors import seen_from

FORGET = "forget"  # also the first fold of scal and of sust, as released
# larger forget sets (each holds the one before) and later ones (one request after the other)
FOLDS = ("scal2", "scal3", "scal4", "sust2", "sust3", "sust4")
ALL_FOLDS = "scal/forget_4"  # every text that the target is to forget in some run
# table -> stem of its file and the columns that are read
FILES: dict[str, tuple[str, Columns]] = {
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
FOLD_FILES = {fold: (f"{fold[:4]}/forget_{fold[4:]}", TEXT) for fold in FOLDS}
# Stems in earlier releases of the corpora, whose questions were about retain2.
EARLIER_STEMS = {
    "knowmem/retain_qa": "knowmem/retain2_qa",
    "knowmem/retain_qa_icl": "knowmem/retain2_qa_icl",
}
# Subsets whose texts are joined before they are cut, so that empty ones, as News has, are allowed.
JOINED = ("raw", "scal", "sust")

# Tables that have to differ: what is forgotten is not retained, and no model has seen non-members.
APART = (
    (FORGET, "retain1"),
    (FORGET, "retain2"),
    ("privleak_holdout", "privleak_forget"),
    ("privleak_holdout", FORGET),
)

Reader = Callable[[str, Columns], list[dict]]


def table_files(splits: list[str], with_folds: bool) -> dict[str, tuple[str, Columns]]:
    """Table -> (stem, columns) of everything that an experiment over `splits` reads."""
    files = dict(FILES)
    for split in splits:
        if split in FOLD_FILES:
            files[split] = FOLD_FILES[split]
    if with_folds:  # even without a fold among the splits: the target learns all of them
        files["all_folds"] = (ALL_FOLDS, TEXT)
    return files


def muse_tables(read: Reader, splits: list[str], with_folds: bool) -> dict[str, list[dict]]:
    """The tables of a MUSE world.

    full is what the target learns: every fold of the forget set, retain1 and retain2 (the hub's
    subset `train`). retain is what retrained models learn: retain1 and retain2. Unlearning
    regularises on retain1 alone.
    """
    # Read all tables before raising, so that every problem is reported at once.
    tables, problems = {}, []
    for name, (stem, columns) in table_files(splits, with_folds).items():
        try:
            tables[name] = read(stem, columns)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    for name, twin in APART:
        texts, twins = ([row["text"] for row in tables[table]] for table in (name, twin))
        problem = f"most texts of {FILES[name][0]} are in {FILES[twin][0]}, too; take another file"
        check_apart(texts, twins, problem)
    # A corpus with folds has a target that knows all of them: each later request forgets texts that
    # were learnt. Without folds, the first fold is the complete forget set.
    forget = tables.pop("all_folds", tables[FORGET])
    retain = tables["retain1"] + tables.pop("retain2")
    return {**tables, "full": forget + retain, "retain": retain}


def folder_has_folds(folder: Path, splits: list[str]) -> bool:
    """Whether a folder holds folds, as News does, or has to because `splits` names some."""
    if not folder.is_dir():
        raise DataError(
            f"no folder '{folder}'{seen_from(folder)}. "
            "It should hold raw/forget.json, knowmem/forget_qa.json … "
            "(docs/muse.md); or set data_dir to null for the hub"
        )
    required = any(split in FOLD_FILES for split in splits)
    return required or bool(candidates(folder / f"{ALL_FOLDS}.json", ".txt"))


def read_from(folder: Path, splits: list[str]) -> list[Path]:
    """The files of a folder that `folder_reader` reads for an experiment over `splits`."""
    files = []
    for stem, _ in table_files(splits, with_folds=True).values():
        files += candidates(folder / f"{stem}.json", ".txt")
        if stem in EARLIER_STEMS:
            files += candidates(folder / f"{EARLIER_STEMS[stem]}.json", ".txt")
    return files


def folder_reader(folder: Path, renamed: ColumnNames) -> Reader:
    """Reader of a folder in the hub's layout: raw/forget.json or, for texts, raw/forget.txt."""

    def read(stem: str, columns: Columns) -> list[dict]:
        path = folder / f"{stem}.json"
        if stem in EARLIER_STEMS:
            earlier = folder / f"{EARLIER_STEMS[stem]}.json"
            if candidates(earlier) and candidates(path):
                raise DataError(f"{path}: {earlier.name} is the same table; leave one of them")
            if candidates(earlier):
                path = earlier
        file = find_file(path, *([".txt"] if columns == TEXT else []))
        is_book = ".txt" in file.suffixes  # also of .txt.gz; the whole file is one text
        table = Table(file, "line", [read_text(file)], [1]) if is_book else read_file(file)
        return check_rows(table, stem, columns, renamed)

    return read


def split_before(split: str) -> str | None:
    """The request that a later one follows: sust3 -> sust2 -> forget; None for other splits."""
    if not split.startswith("sust"):
        return None
    fold = int(split.removeprefix("sust")) - 1
    return f"sust{fold}" if fold > 1 else FORGET


def snapshot_reader(folder: Path, renamed: ColumnNames) -> Reader:
    """Reader of the hub's repository of a corpus, whose README.md names its parquet files."""

    def read(stem: str, columns: Columns) -> list[dict]:
        # Not needed, and maybe not installed, on a GPU node.
        from datasets import get_dataset_split_names, load_dataset

        subset, split = stem.split("/")
        try:
            # A snapshot of an earlier commit has the earlier names.
            if stem in EARLIER_STEMS and split not in get_dataset_split_names(str(folder), subset):
                split = EARLIER_STEMS[stem].split("/")[1]
            rows = list(load_dataset(str(folder), subset, split=split))
        except Exception as error:  # datasets raises many kinds, none of which names our setting
            raise DataError(
                f"{folder}: cannot load {stem.replace('/', ', ')}: {type(error).__name__}: "
                f"{error}. Set data.data_dir to a folder with MUSE's JSON files (docs/muse.md)"
            ) from error
        table = Table(folder / stem, "row", rows, list(range(1, len(rows) + 1)))
        return check_rows(table, stem, columns, renamed)

    return read


def check_rows(table: Table, stem: str, columns: Columns, renamed: ColumnNames) -> list[dict]:
    """The rows of a file with these columns alone; DataError names file and row of what is wrong.

    Texts that are joined may be empty, as one of MUSE-News is, but not all of them.
    """
    joined = stem.split("/")[0] in JOINED
    rows = table.checked(columns, renamed, blank=joined).rows
    if joined and not any(row["text"].strip() for row in rows):
        raise DataError(f"{table.path}: holds no text")
    return rows

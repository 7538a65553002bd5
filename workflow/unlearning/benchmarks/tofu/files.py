"""Reads TOFU's tables from a folder with the hub's files. Source: locuslab/tofu (MIT licence)."""

from dataclasses import dataclass, field
from pathlib import Path

from unlearning.benchmarks.tofu.consistency import (
    difference,
    duplicate_problems,
    forget_file_problems,
    missing_row,
    without,
)
from unlearning.benchmarks.tofu.splits import (
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
    holdout_name,
    retain_name,
)
from unlearning.data.build import key
from unlearning.data.formats import candidates, find_file, read_file, read_rows
from unlearning.data.tables import ColumnNames, DataError, Table, columns_of
from unlearning.errors import seen_from

GENERAL = ("real_authors_perturbed", "world_facts_perturbed")
ALWAYS = ("full", "retain_perturbed", *GENERAL)
OPTIONAL = ("paraphrased_question",)  # TOFU has it; a tokenizer from random weights reads it too


def needed_tables(splits: list[str]) -> list[str]:
    """The tables that an experiment over `splits` reads."""
    # splits above forget10 share its rows
    perturbed = [f"{split}_perturbed" for split in sorted(set(map(evaluated_on, splits)))]
    return [*ALWAYS, *perturbed]


def read_from(folder: Path, splits: list[str]) -> list[Path]:
    """The files of a folder that `read_tofu` reads."""
    names = dict.fromkeys([*needed_tables(splits), *splits, *map(retain_name, splits)])
    files = []
    for name in names:
        files += candidates(folder / f"{name}.json")
    return files


def refusal_files(folder: Path) -> list[Path]:
    """The files that may hold a folder's refusals; `read_refusals` refuses more than one."""
    return candidates(folder / "idontknow.jsonl", ".txt")


def read_refusals(folder: Path, names: ColumnNames) -> list[dict] | None:
    """The rows of the refusals in a folder; None if it has none."""
    if not refusal_files(folder):
        return None
    return read_rows(find_file(folder / "idontknow.jsonl", ".txt"), "idontknow", names).rows


@dataclass
class Folder:
    """The tables of a folder that could be read, and all problems with it.

    forget: split -> its rows: those of forgetNN if the folder holds it, else the last of full.
    damaged: tables that exist but could not be read.
    """

    path: Path
    splits: list[str]
    renamed: ColumnNames
    tables: dict[str, Table] = field(default_factory=dict)
    forget: dict[str, Table] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)

    def read(self, name: str) -> None:
        """Read one table into `tables`, or note why it cannot be read."""
        try:
            table = read_file(find_file(self.path / f"{name}.json"))
            self.tables[name] = table.checked(columns_of(name), self.renamed, optional=OPTIONAL)
        except DataError as error:
            self.problems += error.problems
            self.damaged.add(name)


def holdout_files(folder: Path, split: str) -> list[Path]:
    """The files of a folder that may hold a split's non-members."""
    return candidates(folder / f"{holdout_name(split)}.json")


def read_tofu(
    data_dir: str,
    splits: list[str],
    renamed: ColumnNames,
    retain_authors: int | None,
    with_holdouts: bool = False,
) -> dict[str, list[dict]]:
    """TOFU's tables by name, forget splits among them. Raises DataError with all problems of the
    tables and between them.

    Retain splits follow from full and the forget splits. with_holdouts: read holdout splits too, if
    the folder has them.
    """
    folder = Folder(Path(data_dir), splits, renamed)
    if not folder.path.is_dir():
        files = ", ".join(f"{name}.json" for name in needed_tables(splits))
        raise DataError(
            f"no folder '{data_dir}'{seen_from(data_dir)}. "
            f"It should hold {files} (docs/data.md); get them from "
            "the hub's locuslab/TOFU, or set data_dir to null"
        )
    # Every table is read before any problem is raised, so that all are told at once.
    for name in needed_tables(splits):
        folder.read(name)
    # Read these only if they exist: forget and retain splits follow from full.
    holdouts = sorted(set(map(holdout_name, splits))) if with_holdouts else []
    for name in dict.fromkeys([*splits, *map(retain_name, splits), *holdouts]):
        if candidates(folder.path / f"{name}.json"):
            folder.read(name)
    if "full" in folder.tables:
        check_splits(folder)
        check_retain(folder, retain_authors)
    if folder.problems:
        raise DataError(*folder.problems)
    return {name: table.rows for name, table in (folder.tables | folder.forget).items()}


def check_splits(folder: Folder) -> None:
    """Fill folder.forget, and note each problem between a forget split and the other tables."""
    full = folder.tables["full"]
    if len(full.rows) % TOFU_ROWS_PER_AUTHOR:
        folder.problems.append(
            f"{full.path} holds {len(full.rows)} rows, not a multiple of {TOFU_ROWS_PER_AUTHOR} "
            "for each author"
        )
        return
    for split in folder.splits:
        # A damaged file is reported; the last rows of full are not what its owner meant.
        if split in folder.damaged:
            continue
        try:
            count = forget_rows(split, len(full.rows), TOFU_ROWS_PER_AUTHOR)
        except ValueError as error:
            folder.problems.append(f"{full.path}: {error}")
            continue
        forget = folder.tables.get(split) or full.part(slice(len(full.rows) - count, None))
        # Compare other tables only with rows that can be the split: no errors that follow from one.
        if problems := forget_file_problems(split, forget, full, count):
            folder.problems += problems
            continue
        folder.forget[split] = forget
        folder.problems += duplicate_problems(split, forget, full)
        folder.problems += companion_problems(folder, split, forget)


def companion_problems(folder: Folder, split: str, forget: Table) -> list[str]:
    """Messages if perturbed rows, or the folder's retain split, are not those of the split."""
    problems = []
    perturbed = folder.tables.get(f"{evaluated_on(split)}_perturbed")
    if perturbed is not None and evaluated_on(split) == split:
        name = split
        if split not in folder.tables:
            name += f" (the last {len(forget.rows)} rows of full)"
        # In one order, too: weights.py sets scores of training rows beside evaluated ones by index.
        problems += difference(perturbed, forget, name)
    elif perturbed is not None:  # a split above forget10, measured on a part of its rows
        problems += missing_row(perturbed, set(map(key, forget.rows)), f"is no row of {split}")
    if retain_name(split) in folder.tables:
        rest = without(folder.tables["full"], set(map(key, forget.rows)))
        name = f"{retain_name(split)} (full without {split})"
        problems += difference(folder.tables[retain_name(split)], rest, name)
    return problems


def check_retain(folder: Folder, retain_authors: int | None) -> None:
    """Note retain_perturbed if it holds other rows than the retain split, and too many authors."""
    full, forget = folder.tables["full"], folder.forget
    forget_keys = {split: set(map(key, table.rows)) for split, table in forget.items()}
    all_forget_keys = set().union(*forget_keys.values())
    # Rows that no split of this world forgets: one table of retained rows measures all of them.
    retain = [row for row in full.rows if key(row) not in all_forget_keys]
    if retain_authors is not None:
        count = retain_authors * TOFU_ROWS_PER_AUTHOR
        # Without a forget split that could be read, nobody knows how many are left.
        if count > len(retain) and forget:
            authors = len(full.rows) // TOFU_ROWS_PER_AUTHOR
            folder.problems.append(
                f"{retain_authors} retain (data.retain_authors) and "
                f"{authors - len(retain) // TOFU_ROWS_PER_AUTHOR} forget authors are more than "
                f"the {authors} of {full.path}"
            )
        retain = retain[:count]
    table = folder.tables.get("retain_perturbed")
    if table is None or not forget:
        return
    # A forgotten row in it would count as damage where the method did what it should.
    for split, keys in forget_keys.items():
        for index, row in enumerate(table.rows):
            if key(row) in keys:
                folder.problems.append(
                    f"{table.where(index)}: is a row of {split}, but retain_perturbed measures "
                    f"what is retained: {row['question']!r}"
                )
                return
    problem = "is no row of the retain split"
    if retain_authors is not None:
        problem += f" (the first {retain_authors} authors)"
    folder.problems += missing_row(table, set(map(key, retain)), problem)

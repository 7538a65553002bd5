"""TOFU's own tables, from a folder as the hub has them. Source: locuslab/tofu (MIT licence)."""

from dataclasses import dataclass, field
from pathlib import Path

from unlearning.benchmarks.tofu.belonging import (
    copies,
    difference,
    own_split_problems,
    strangers,
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

GENERAL = ("real_authors_perturbed", "world_facts_perturbed")
ALWAYS = ("full", "retain_perturbed", *GENERAL)
OPTIONAL = ("paraphrased_question",)  # TOFU has it; a tokenizer from random weights reads it too


def needed_tables(splits: list[str]) -> list[str]:
    """The tables that an experiment over `splits` reads."""
    evaluated = sorted(set(map(evaluated_on, splits)))
    return [*ALWAYS, *(f"{split}_perturbed" for split in evaluated)]


def read_from(folder: Path, splits: list[str]) -> list[Path]:
    """The files of a folder that `read_tofu` reads."""
    names = dict.fromkeys([*needed_tables(splits), *splits, *map(retain_name, splits)])
    return [file for name in names for file in candidates(folder / f"{name}.json")]


def refusal_files(folder: Path) -> list[Path]:
    """The file of a folder that `read_refusals` reads; of several that one is asked about."""
    return candidates(folder / "idontknow.jsonl", ".txt")


def read_refusals(folder: Path, names: ColumnNames) -> list[dict] | None:
    """The rows of TOFU's own refusals; None if the folder has none."""
    if not refusal_files(folder):
        return None
    return read_rows(find_file(folder / "idontknow.jsonl", ".txt"), "idontknow", names).rows


@dataclass
class Folder:
    """The tables of a folder, as far as they can be read, and everything that is wrong with it.

    forget: split -> its rows: those of forgetNN if the folder holds it, else the tail of full.
    unread: tables that are there but damaged.
    """

    path: Path
    splits: list[str]
    renamed: ColumnNames
    tables: dict[str, Table] = field(default_factory=dict)
    forget: dict[str, Table] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)

    def read(self, name: str) -> None:
        """Read one table, or note why it cannot be."""
        try:
            table = read_file(find_file(self.path / f"{name}.json"))
            self.tables[name] = table.checked(columns_of(name), self.renamed, optional=OPTIONAL)
        except DataError as error:
            self.problems += error.problems
            self.unread.add(name)


def holdout_files(folder: Path, split: str) -> list[Path]:
    """The file of rows that no model has seen, of a folder that has one for the split."""
    return candidates(folder / f"{holdout_name(split)}.json")


def read_tofu(
    data_dir: str,
    splits: list[str],
    renamed: ColumnNames,
    retain_authors: int | None,
    with_holdouts: bool = False,
) -> dict[str, list[dict]]:
    """The tables of TOFU by name, checked one by one and against each other; DataError with
    everything that is wrong.

    Forget splits are among them; retain splits follow from them and full. with_holdouts: holdout
    splits too, if the folder has them.
    """
    folder = Folder(Path(data_dir), splits, renamed)
    if not folder.path.is_dir():
        files = ", ".join(f"{name}.json" for name in needed_tables(splits))
        raise DataError(
            f"no folder '{data_dir}'. It should hold {files} (docs/data.md); get them from "
            "the hub's locuslab/TOFU, or set data_dir to null"
        )
    for name in needed_tables(splits):
        folder.read(name)
    holdouts = sorted(set(map(holdout_name, splits))) if with_holdouts else []
    for name in dict.fromkeys([*splits, *map(retain_name, splits), *holdouts]):
        if candidates(folder.path / f"{name}.json"):
            folder.read(name)
    if "full" in folder.tables:
        check_splits(folder)
        check_retain(folder, retain_authors)
    if folder.problems:
        raise DataError(*folder.problems)
    tables = {name: table.rows for name, table in folder.tables.items()}
    return {**tables, **{split: table.rows for split, table in folder.forget.items()}}


def check_splits(folder: Folder) -> None:
    """Fill folder.forget, and note every table that does not belong to its forget split."""
    full = folder.tables["full"]
    if len(full.rows) % TOFU_ROWS_PER_AUTHOR:
        folder.problems.append(
            f"{full.path} holds {len(full.rows)} rows, not a multiple of {TOFU_ROWS_PER_AUTHOR} "
            "for each author"
        )
        return
    for split in folder.splits:
        if split in folder.unread:
            continue
        try:
            count = forget_rows(split, len(full.rows), TOFU_ROWS_PER_AUTHOR)
        except ValueError as error:
            folder.problems.append(f"{full.path}: {error}")
            continue
        tail = full.part(slice(len(full.rows) - count, None))
        forget = folder.tables.get(split, tail)
        problems = [] if forget is tail else own_split_problems(split, forget, full, count)
        if not problems:
            folder.forget[split] = forget
            problems = copies(split, forget, full) + belonging(folder, split, forget)
        folder.problems += problems


def belonging(folder: Folder, split: str, forget: Table) -> list[str]:
    """Whether perturbed rows, and a retain split of the folder's own, are those of the split."""
    problems = []
    perturbed = folder.tables.get(f"{evaluated_on(split)}_perturbed")
    if perturbed is not None and evaluated_on(split) == split:
        name = f"{split} (the last {len(forget.rows)} rows of full)"
        name = split if split in folder.tables else name
        problems += difference(perturbed, forget, name)
    elif perturbed is not None:
        problems += strangers(perturbed, set(map(key, forget.rows)), f"is no row of {split}")
    if retain_name(split) in folder.tables:
        rest = without(folder.tables["full"], set(map(key, forget.rows)))
        name = f"{retain_name(split)} (full without {split})"
        problems += difference(folder.tables[retain_name(split)], rest, name)
    return problems


def check_retain(folder: Folder, retain_authors: int | None) -> None:
    """Note a retain_perturbed that holds other rows than models keep, and too many authors."""
    full, forget = folder.tables["full"], folder.forget
    forgotten = {key(row) for table in forget.values() for row in table.rows}
    retained = [row for row in full.rows if key(row) not in forgotten]
    if retain_authors is not None:
        first = retain_authors * TOFU_ROWS_PER_AUTHOR
        if first > len(retained) and forget:
            authors = len(full.rows) // TOFU_ROWS_PER_AUTHOR
            folder.problems.append(
                f"{retain_authors} retain (data.retain_authors) and "
                f"{authors - len(retained) // TOFU_ROWS_PER_AUTHOR} forget authors are more than "
                f"the {authors} of {full.path}"
            )
        retained = retained[:first]
    table = folder.tables.get("retain_perturbed")
    if table is None or not forget:
        return
    for split, rows in forget.items():
        shared = set(map(key, rows.rows))
        for index, row in enumerate(table.rows):
            if key(row) in shared:
                folder.problems.append(
                    f"{table.where(index)}: is a row of {split}, but retain_perturbed measures "
                    f"what is kept: {row['question']!r}"
                )
                return
    among = "is no row of the retain split"
    if retain_authors is not None:
        among += f" (the first {retain_authors} authors)"
    folder.problems += strangers(table, set(map(key, retained)), among)

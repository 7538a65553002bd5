"""What is wrong with the tables that a config names: stage data's own readers, before any job."""

from collections.abc import Callable
from pathlib import Path

from unlearning.benchmarks.tofu.belonging import key
from unlearning.benchmarks.tofu.files import alternative_answers
from unlearning.data.build import released_muse_tables, tofu_tables, with_alternatives, wmdp_tables
from unlearning.data.formats import read_rows
from unlearning.data.splits import MUSE_SOURCES, WMDP_SOURCES
from unlearning.data.tables import QA, ColumnNames, DataError


def data_problems(data: dict, splits: list[str], holdout: str | None) -> list[str]:
    """Everything that is wrong with the files of the config's data section and with the table of
    non-members; each problem names file and line where it has one."""
    renamed, collected = ColumnNames(data["columns"]), Problems()
    answers = non_members = None
    if data["idontknow"] is not None:
        collected.of("data.idontknow", read_rows, Path(data["idontknow"]), "idontknow", renamed)
    if data["alternatives"] is not None:
        answers = collected.of(
            "data.alternatives", alternative_answers, Path(data["alternatives"]), renamed
        )
    if holdout is not None:
        non_members = collected.of("evaluation.holdout", read_rows, Path(holdout), QA, renamed)
    tables = None
    if data["data_dir"] is not None:
        tables = collected.of("data.data_dir", folder_tables, data, splits, renamed)
    if tables and answers:
        for split in splits:
            collected.of("data.alternatives", with_alternatives, tables[split], answers)
    if tables and non_members:
        members = set(map(key, tables["full"]))
        for index, row in enumerate(non_members.rows):
            if key(row) in members:
                collected.problems.append(
                    f"evaluation.holdout: {non_members.where(index)}: is a row of full, so it is "
                    f"none that every model has missed: {row['question']!r}"
                )
                break
    return collected.problems + column_problems(renamed, data)


def column_problems(renamed: ColumnNames, data: dict) -> list[str]:
    """What is wrong with data.columns once all files are read; the hub's are not yet."""
    problems, names = [], list(renamed.names.values())
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"data.columns: '{name}' is named for two columns" for name in twice]
    if data["data_dir"] is not None or data["source"].startswith("mini"):
        problems += [f"data.columns: {problem}" for problem in renamed.unused()]
    return problems


def folder_tables(data: dict, splits: list[str], renamed: ColumnNames) -> dict[str, list[dict]]:
    """The tables of data.data_dir, as stage data makes them; DataError with all problems."""
    if data["source"] in MUSE_SOURCES:
        return released_muse_tables(data, splits, None, renamed)
    if data["source"] in WMDP_SOURCES:
        return wmdp_tables(data, splits, {}, renamed)
    return tofu_tables({**data, "alternatives": None}, splits, None, renamed)


class Problems:
    """Collects what readers refuse."""

    def __init__(self):
        self.problems: list[str] = []

    def of(self, setting: str, read: Callable, *arguments):
        """What a reader returns, or None once its problems are noted under the setting's name."""
        try:
            return read(*arguments)
        except DataError as error:
            self.problems += [f"{setting}: {problem}" for problem in error.problems]
        except OSError as error:  # a folder that may not be listed
            self.problems.append(f"{setting}: {error.filename}: {error.strerror}")
        return None

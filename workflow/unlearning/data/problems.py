"""What is wrong with the tables that a config names: stage data's own readers, before any job."""

from collections.abc import Callable
from pathlib import Path

from unlearning.benchmark import benchmark_of
from unlearning.data.answers import alternative_answers, refusals, with_alternatives
from unlearning.data.build import build_tables, key
from unlearning.data.formats import read_rows
from unlearning.data.tables import QA, ColumnNames, DataError


def data_problems(data: dict, splits: list[str], holdout: str | None) -> list[str]:
    """Everything that is wrong with the files of the config's data section and with the table of
    non-members; each problem names file and line where it has one."""
    renamed, collected = ColumnNames(data.get("columns", {})), Problems()
    benchmark = benchmark_of(data["source"])
    answers = non_members = None
    named = data.get("idontknow") is not None
    if named or (benchmark.reads_files(data) and benchmark.other_answers(data)):
        setting = "data.idontknow" if named else benchmark.files_named_in
        collected.of(setting, refusals, data, {}, renamed)
    if (path := data.get("alternatives")) is not None:
        answers = collected.of("data.alternatives", alternative_answers, Path(path), renamed)
    if holdout is not None:
        non_members = collected.of("evaluation.holdout", read_rows, Path(holdout), QA, renamed)
    tables = None
    if benchmark.reads_files(data):
        tables = collected.of(benchmark.files_named_in, build_tables, data, splits, {}, renamed)
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
    benchmark = benchmark_of(data["source"])
    if benchmark.reads_files(data) or data["source"] in benchmark.generated:
        problems += [f"data.columns: {problem}" for problem in renamed.unused()]
    return problems


class Problems:
    """Collects what readers refuse."""

    def __init__(self):
        self.problems: list[str] = []

    def of(self, setting: str, read: Callable, *arguments):
        """What a reader returns, or None once its problems are noted under the setting's name, or
        as they are where there is none."""
        try:
            return read(*arguments)
        except DataError as error:
            named = f"{setting}: " if setting else ""
            self.problems += [f"{named}{problem}" for problem in error.problems]
        except OSError as error:  # a folder that may not be listed
            self.problems.append(f"{setting}: {error.filename}: {error.strerror}")
        return None

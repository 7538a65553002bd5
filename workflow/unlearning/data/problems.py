"""Check the tables that a config names before any job, with the functions that stage data reads
them with."""

from collections.abc import Callable
from pathlib import Path

from unlearning.benchmark import benchmark_of
from unlearning.data.answers import alternative_answers, refusals, with_alternatives
from unlearning.data.build import build_tables, visible_key
from unlearning.data.formats import read_rows
from unlearning.data.tables import QA, ColumnNames, DataError


def data_problems(data: dict, splits: list[str], holdout: str | None) -> list[str]:
    """All problems of the files of the config's data section and of the table of non-members; each
    names file and line where it has one."""
    columns, collector = ColumnNames(data.get("columns", {})), ProblemCollector()
    benchmark = benchmark_of(data["source"])
    reads_files = benchmark.reads_files(data)
    # files of answers and of non-members
    answers = non_members = None
    if data.get("idontknow") is not None:
        collector.read("data.idontknow", refusals, data, {}, columns)
    elif reads_files and benchmark.other_answers(data):
        collector.read(benchmark.files_named_in, refusals, data, {}, columns)
    if (path := data.get("alternatives")) is not None:
        answers = collector.read("data.alternatives", alternative_answers, Path(path), columns)
    if holdout is not None:
        non_members = collector.read("evaluation.holdout", read_rows, Path(holdout), QA, columns)
    # the tables themselves, and how they go with those files
    tables = None
    if reads_files:
        tables = collector.read(benchmark.files_named_in, build_tables, data, splits, {}, columns)
    if tables and answers:
        for split in splits:
            collector.read("data.alternatives", with_alternatives, tables[split], answers)
    if tables and non_members:
        members = set(map(visible_key, tables["full"]))
        for index, row in enumerate(non_members.rows):
            if visible_key(row) in members:  # one such row is enough to say it
                collector.problems.append(
                    f"evaluation.holdout: {non_members.where(index)}: is a row of full, so models "
                    f"were trained on it: {row['question']!r}; remove it"
                )
                break
    return collector.problems + column_problems(columns, data)


def column_problems(columns: ColumnNames, data: dict) -> list[str]:
    """The problems of data.columns, once all files are read; those of the hub are not yet."""
    problems, names = [], list(columns.names.values())
    # {"question": "text", "answer": "text"} would read each question as its answer
    duplicates = sorted({name for name in names if names.count(name) > 1})
    problems += [f"data.columns: '{name}' is named for two columns" for name in duplicates]
    benchmark = benchmark_of(data["source"])
    if benchmark.reads_files(data) or data["source"] in benchmark.generated:
        problems += [f"data.columns: {problem}" for problem in columns.unused()]
    return problems


class ProblemCollector:
    """Calls functions that read files, and collects the problems of those that fail."""

    def __init__(self):
        self.problems: list[str] = []

    def read(self, setting: str, reader: Callable, *arguments):
        """The reader's result, or None if it fails; its problems then begin with the setting's
        name, if that is not empty."""
        try:
            return reader(*arguments)
        except DataError as error:
            prefix = f"{setting}: " if setting else ""
            self.problems += [f"{prefix}{problem}" for problem in error.problems]
        except OSError as error:  # a folder that may not be listed
            self.problems.append(f"{setting}: {error.filename}: {error.strerror}")
        return None

"""The user's own harness tasks: the files that they are made of, and their local data, which the
readers of tables read before any job."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from unlearning.data.formats import COMPRESSED, FORMATS, read_file
from unlearning.data.tables import DataError, printable, shortened, text_problem

SETTINGS = (".yaml", ".yml")
ENDINGS = {*SETTINGS, ".py", ".txt", *FORMATS, *COMPRESSED}


class _Loader(yaml.SafeLoader):
    """Task files hold tags, such as !function, that only the harness resolves."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def read_from(include_path: str) -> list[Path]:
    """The files of a folder of tasks that the harness may read, and those elsewhere that the tasks
    name: data and included settings."""
    found: dict[Path, None] = {}
    waiting = sorted(Path(include_path).rglob("*"))
    while waiting:
        path = waiting.pop(0)
        if path in found or not _is_read(path):
            continue
        found[path] = None
        if path.suffix in SETTINGS:
            waiting += _named_files(path)
    return list(found)


def _is_read(path: Path) -> bool:
    return path.is_file() and path.suffix in ENDINGS and path.parent.name != "__pycache__"


def _named_files(path: Path) -> list[Path]:
    """What a file of settings names beside itself."""
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return []  # task_problems() says so
    if not isinstance(settings, dict):
        return []
    included = settings.get("include") or []
    included = included if isinstance(included, list) else [included]
    return [path.parent / str(name) for name in included] + list(_local_files(settings))


def task_problems(include_path: str, tasks: list[str]) -> list[str]:
    """What is wrong with the files that the named tasks of a folder read; those of groups, tags and
    included files are read by the harness alone."""
    problems = []
    for path in sorted(Path(include_path).rglob("*.yaml")):
        try:
            settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{path}: no YAML that can be read ({' '.join(str(error).split())})")
            continue
        if isinstance(settings, dict) and settings.get("task") in tasks:
            for file in _local_files(settings):
                problems += _file_problems(file)
    return problems


def _local_files(settings: dict) -> Iterator[Path]:
    """Files on this machine that a task's data_files name: one, a list, or by split."""
    named = (settings.get("dataset_kwargs") or {}).get("data_files") or []
    waiting = [named]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and "://" not in value and "*" not in value:
            yield Path(value)


def _file_problems(path: Path) -> list[str]:
    """A file's rows are objects of any columns; the harness says which it asks for."""
    try:
        table = read_file(path)
    except DataError as error:
        return error.problems
    problems = list(table.problems)
    for index, row in enumerate(table.rows):
        if not isinstance(row, dict):
            problems.append(
                f"{table.where(index)}: expected a JSON object, found {type(row).__name__}"
            )
            continue
        for column, value in row.items():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and (problem := text_problem(text)):
                    problems.append(f"{table.where(index)}: column '{printable(column)}' {problem}")
    if not table.rows and not problems:
        problems.append(f"{path}: holds no rows")
    return shortened(problems, path)

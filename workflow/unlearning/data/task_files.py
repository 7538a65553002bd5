"""The user's own harness tasks: which files they consist of, and checks of their local data before
any job."""

from glob import glob
from pathlib import Path

import yaml

from unlearning.data.formats import COMPRESSED, FORMATS, read_file
from unlearning.data.tables import DataError, printable, shorten, text_problem

SETTINGS = (".yaml", ".yml")
UNREADABLE = (yaml.YAMLError, ValueError, RecursionError)  # also bytes, dates that are none
DATA = {*FORMATS, *COMPRESSED}
ENDINGS = {*SETTINGS, ".py", ".txt", *DATA}
# values of dataset_path that stand for a format and no repository; None: an included file has none
BUILDERS = ("json", "csv", "parquet", "text", None)


class _Loader(yaml.SafeLoader):
    """Reads task files without resolving their tags, such as !function, as only the harness can."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def list_task_files(include_path: str) -> list[Path]:
    """All files that the harness may read for the tasks of a folder: those in it, and the data and
    included settings elsewhere that they name."""
    files: dict[Path, None] = {}
    queue = sorted(Path(include_path).rglob("*"))
    # a queue, for an included file may include another, or the first one again
    while queue:
        path = queue.pop(0)
        if path in files or path.parent.name == "__pycache__":
            continue
        if path.suffix not in ENDINGS or not path.is_file():
            continue
        files[path] = None
        if path.suffix in SETTINGS:
            queue += _named_files(path)
    return list(files)


def _named_files(path: Path) -> list[Path]:
    """The included settings and data files that a file of settings names."""
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except UNREADABLE:
        return []  # task_problems() reports it
    if not isinstance(settings, dict):
        return []
    included = settings.get("include") or []
    if not isinstance(included, list):
        included = [included]
    return [path.parent / str(name) for name in included] + _data_files(settings)


def task_problems(include_path: str, tasks: list[str]) -> list[str]:
    """The problems of the task files in a folder, and of the data of the named tasks. Only the
    harness reads the data of groups, tags and included files."""
    problems = []
    for path in sorted(Path(include_path).rglob("*.yaml")):  # the harness lists no others
        try:
            settings = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        except UNREADABLE as error:
            problems.append(f"{path}: no YAML that can be read ({' '.join(str(error).split())})")
            continue
        if isinstance(settings, dict) and settings.get("task") in tasks:
            for file in _data_files(settings):
                problems += _data_problems(file)
    return problems


def _data_files(settings: dict) -> list[Path]:
    """The local files of a task's data, as datasets.load_dataset() looks for them."""
    options, path = settings.get("dataset_kwargs"), settings.get("dataset_path")
    options = options if isinstance(options, dict) else {}
    local = path not in BUILDERS
    if local and not Path(str(path)).is_dir():
        return []  # on the hub, where data_files are names in the repository
    folder = Path(str(path) if local else "", str(options.get("data_dir") or ""))
    # one path, a list, or paths by split
    queue, files = [options.get("data_files") or []], []
    while queue:
        value = queue.pop(0)
        if isinstance(value, dict):
            queue += value.values()
        elif isinstance(value, list):
            queue += value
        elif isinstance(value, str) and "://" not in value:
            # a pattern without a match stays, as the name of a missing file
            pattern = str(folder / value)
            files += [Path(name) for name in sorted(glob(pattern, recursive=True)) or [pattern]]
    # without data_files, load_dataset takes every file of the folder
    if not files and folder != Path():
        files = [file for file in sorted(folder.rglob("*")) if file.suffix in DATA]
    return files


def _data_problems(path: Path) -> list[str]:
    """The problems of a data file: rows must be objects with texts that can be written; only the
    harness knows which columns a task needs."""
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
        problems.append(f"{path}: has no rows")
    return shorten(problems, path)

"""Reads an evaluation log, whose format it detects from the content."""

from collections.abc import Sequence
from pathlib import Path

from unlearning.benchmarks.tofu.formulas import SETS
from unlearning.benchmarks.tofu.logs import official, open_unlearning, ours
from unlearning.benchmarks.tofu.logs.log import Log
from unlearning.data.tables import parse_json
from unlearning.errors import UserError

FORMATS = {ours.NAME: ours, official.NAME: official, open_unlearning.NAME: open_unlearning}
_LINES = [f"\n  - {name}: {module.DESCRIPTION}" for name, module in FORMATS.items()]
EXPECTED = f"Expected one of:{''.join(_LINES)}"


def find_file(path: Path) -> Path:
    """The path of a log, or the one log in a folder; UserError for none or several."""
    if not path.is_dir():
        return path
    candidates = [path / module.FILE for module in FORMATS.values()]
    files = [file for file in candidates if file.is_file()]
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "no log"
        raise UserError(f"{path}: found {names}, expected one log in the folder. {EXPECTED}")
    return files[0]


def load(path: Path) -> dict:
    """The JSON object of a log; UserError if the file holds none."""
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))  # Windows writes a BOM
    except OSError as error:
        raise UserError(f"cannot read the log {path}: {error.strerror}") from None
    except ValueError as error:  # damaged JSON, a duplicate key, deep nesting, or no text
        problem = f"is not JSON ({error})" if path.stat().st_size else "is empty"
        raise UserError(f"the log {path} {problem}. {EXPECTED}") from None
    if not isinstance(content, dict) or not content:
        kind = "nothing in it" if content in ({}, []) else type(content).__name__
        raise UserError(f"the log {path}: found {kind}. {EXPECTED}")
    return content


def detect(content: dict, path: Path) -> str:
    """Name of the format; UserError unless exactly one fits."""
    formats = [name for name, module in FORMATS.items() if set(content) & set(module.SECTIONS)]
    # Aggregates, as in TOFU_SUMMARY.json, have the metrics' names too.
    numbers_only = all(isinstance(value, int | float) for value in content.values())
    if len(formats) != 1 or numbers_only:
        sections = ", ".join(map(str, list(content)[:6])) + (", …" if len(content) > 6 else "")
        problem = "formats are mixed" if len(formats) > 1 else "no known format"
        if numbers_only:
            problem = "a summary without values of single rows"
        raise UserError(f"{path}: {problem} (it holds {sections}). {EXPECTED}")
    return formats[0]


def read_log(path: Path, sets: Sequence[str] | None = SETS) -> Log:
    """Read and check the named sets of an evaluation log; None: all that it holds, and forget.

    Raises UserError for a missing, empty, unknown or mixed file, for missing sets or columns, and
    for values that are no finite numbers.
    """
    path = find_file(path)
    content = load(path)
    module = FORMATS[detect(content, path)]
    if sets is None:  # `forget` in any case, so that a log without it is refused by that name
        sets = [name for name in SETS if module.SECTION_OF[name] in content or name == "forget"]
    return module.read(content, path, sets)

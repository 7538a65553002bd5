"""Reads an evaluation log; what wrote it is told from its content."""

import json
from collections.abc import Sequence
from pathlib import Path

from unlearning.benchmarks.tofu.formulas import SETS
from unlearning.benchmarks.tofu.logs import official, open_unlearning, ours
from unlearning.benchmarks.tofu.logs.log import Log
from unlearning.errors import UserError

FORMATS = {
    ours.NAME: ours,
    official.NAME: official,
    open_unlearning.NAME: open_unlearning,
}
EXPECTED = "Expected one of:" + "".join(
    f"\n  - {m.NAME}: {m.DESCRIPTION}" for m in FORMATS.values()
)


def find_file(path: Path) -> Path:
    """The log itself; of a folder, the one log in it."""
    if not path.is_dir():
        return path
    found = [path / module.FILE for module in FORMATS.values() if (path / module.FILE).is_file()]
    if len(found) != 1:
        what = ", ".join(file.name for file in found) or "no log"
        raise UserError(f"{path}: found {what}, expected one log in the folder. {EXPECTED}")
    return found[0]


def load(path: Path) -> dict:
    """The JSON object of a log."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise UserError(f"cannot read the log {path}: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"the log {path} is nested too deeply. {EXPECTED}") from None
    except ValueError as error:  # damaged JSON, a key twice, or not text at all
        what = f"is not JSON ({error})" if path.stat().st_size else "is empty"
        raise UserError(f"the log {path} {what}. {EXPECTED}") from None
    if not isinstance(content, dict) or not content:
        found = "nothing in it" if content in ({}, []) else type(content).__name__
        raise UserError(f"the log {path}: found {found}. {EXPECTED}")
    return content


def _unique(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object; ValueError where a key stands twice, of which one value would be lost."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return content


def detect(content: dict, path: Path) -> str:
    """Name of the format; UserError unless exactly one fits."""
    found = [name for name, module in FORMATS.items() if set(content) & set(module.SECTIONS)]
    numbers = all(isinstance(value, int | float) for value in content.values())
    if len(found) != 1 or numbers:
        sections = ", ".join(map(str, list(content)[:6])) + (", …" if len(content) > 6 else "")
        what = "formats are mixed" if len(found) > 1 else "no known format"
        if numbers:
            what = "a summary without values of single rows"
        raise UserError(f"{path}: {what} (it holds {sections}). {EXPECTED}")
    return found[0]


def read_log(path: Path, sets: Sequence[str] = SETS) -> Log:
    """The log of an evaluation over (at least) the named sets.

    Raises UserError, with file, finding and expectation, for a missing, empty, unknown or mixed
    file, for missing sets or columns, and for values that are no finite numbers.
    """
    path = find_file(Path(path))
    content = load(path)
    return FORMATS[detect(content, path)].read(content, path, sets)


def sets_in(path: Path) -> list[str]:
    """The evaluation sets that a log holds; UserError as read_log()."""
    path = find_file(Path(path))
    content = load(path)
    sections = FORMATS[detect(content, path)].SECTION_OF
    return [name for name in SETS if sections[name] in content]

"""What was found in files of Python before, by their content: a start reads what has changed."""

import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

from unlearning.code.statements import Content, Statement, statements
from unlearning.files import write_json

REMEMBERED = Path(".snakemake") / "code.json"
MOST = 600  # files; then it begins anew
READERS = [Path(__file__).with_name(name) for name in ("statements.py", "words.py")]
_NEW: dict[str, list[dict]] = {}


def remembered(path: Path) -> list[Statement]:
    """The top-level statements of a file; SyntaxError if it is no Python."""
    source = path.read_bytes()
    key = hashlib.sha256(_readers() + source).hexdigest()
    if (stored := _stored().get(key)) is not None:
        return [_statement(**fields) for fields in stored]
    found = statements(source.decode("utf-8"), str(path))
    _NEW[key] = [asdict(statement) for statement in found]
    return found


def remember() -> None:
    """Keep what is new, where Snakemake keeps its own notes."""
    if _NEW and REMEMBERED.parent.is_dir():
        if len(_stored()) > MOST:
            _stored().clear()
        _stored().update(_NEW)
        _NEW.clear()
        with suppress(ValueError, OSError):  # a folder that is only read: found again next time
            write_json(REMEMBERED, _stored(), indent=None)


@cache
def _readers() -> bytes:
    """What findings depend on beside the file."""
    parts = [sys.version.encode(), *(path.read_bytes() for path in READERS)]
    return hashlib.sha256(b"".join(parts)).digest()


@cache
def _stored() -> dict[str, list[dict]]:
    with suppress(ValueError, OSError):
        return json.loads(REMEMBERED.read_text(encoding="utf-8"))
    return {}


def _statement(content: dict, entries: dict | None, **fields) -> Statement:
    values = entries and {key: Content(**value) for key, value in entries.items()}
    return Statement(content=Content(**content), entries=values, **fields)

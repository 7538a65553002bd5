"""Cache the statements of Python files by their content, so that only new files are parsed."""

import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

from unlearning.code.statements import Code, Statement, statements
from unlearning.files import write_json

CACHE_FILE = Path(".snakemake") / "code.json"  # beside Snakemake's own records
MAX_FILES = 600  # with more than these the cache starts anew
PARSERS = (Path(__file__).with_name("statements.py"), Path(__file__).with_name("normalise.py"))
_UNSAVED: dict[str, list[dict]] = {}


def read_statements(path: Path) -> list[Statement]:
    """The top-level statements of a file; SyntaxError if it is not Python."""
    source = path.read_bytes()
    key = hashlib.sha256(_parser_digest() + source).hexdigest()
    if (cached := _load_cache().get(key)) is not None:
        return [_statement(**fields) for fields in cached]
    parsed = statements(source, str(path))
    _UNSAVED[key] = [asdict(statement) for statement in parsed]
    return parsed


def save_cache() -> None:
    """Write the statements of new files into the cache, where Snakemake has made its folder."""
    if _UNSAVED and CACHE_FILE.parent.is_dir():
        # every version of an edited file adds an entry
        if len(_load_cache()) > MAX_FILES:
            _load_cache().clear()
        _load_cache().update(_UNSAVED)
        _UNSAVED.clear()
        with suppress(ValueError, OSError):  # in a read-only folder they are parsed again next time
            write_json(CACHE_FILE, _load_cache(), indent=None)


@cache
def _parser_digest() -> bytes:
    """Digest of what statements depend on besides the file: Python's version and the parser."""
    digest = hashlib.sha256(sys.version.encode())
    for path in PARSERS:
        digest.update(path.read_bytes())
    return digest.digest()


@cache
def _load_cache() -> dict[str, list[dict]]:
    with suppress(ValueError, OSError):
        return json.loads(CACHE_FILE.read_text(encoding="utf-8"))
    return {}


def _statement(code: dict, entries: dict | None, **fields) -> Statement:
    if entries is not None:
        entries = {key: Code(**value) for key, value in entries.items()}
    return Statement(code=Code(**code), entries=entries, **fields)

"""Outputs that appear whole or not at all, also after a power cut."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearning.errors import UserError

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
SUMS = "tables.sha256"
RUN_FILE = "run.json"  # of a model folder: how it was made


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the name `path` only when the block ends without an error.

    UserError naming `path` if the disk is full or read-only.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    with _writable(path):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            yield partial
            for file in partial.rglob("*"):
                _sync(file)
            _sync(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # a full disk needs the room
            raise
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a file of text as UTF-8; see write_bytes."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file aside, then rename it into place; UserError if the disk is full or read-only."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    with _writable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            _sync(partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        os.replace(partial, path)


def write_json(path: Path, value, indent: int | None = 1) -> None:
    """Write JSON; NaN and Infinity are refused, because other readers refuse them."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path):
    """Read JSON; a damaged file's error names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # cut within a character, it is no UTF-8 either
        raise UserError(f"{path} is not valid JSON ({error}): delete it and run again") from None


def sha256(path: Path) -> str:
    """Checksum of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write the checksums of a folder's files into it; `sha256sum --check` reads them too."""
    files = sorted(file for file in Path(folder).iterdir() if file.is_file())
    write_text(folder / SUMS, "".join(f"{sha256(file)}  {file.name}\n" for file in files))


def check_sum(path: Path) -> None:
    """UserError if a file is not as `write_sums` found it; nothing in folders without sums."""
    if (path.parent / SUMS).is_file():
        lines = (path.parent / SUMS).read_text(encoding="utf-8").split("\n")
        if f"{sha256(path)}  {path.name}" not in lines:
            raise UserError(
                f"{path} has another content than was written: delete the folder {path.parent} "
                "and run again"
            )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number not in REFUSALS:
            raise
        raise UserError(
            f"{path} cannot be written ({os.strerror(number)}): make room or a place that can be "
            f"written to, then run again"
        ) from error


def _number(error: Exception) -> int | None:
    """The errno of an error; safetensors and tokenizers write it into their messages only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"(?:os error|code:) (\d+)", str(error))
    return int(found[1]) if found else None

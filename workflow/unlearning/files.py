"""Write files and folders that appear complete or not at all, even after a power cut."""

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

# errors that the user can mend: no space, over quota, too large, read-only, no permission
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
SUMS = "tables.sha256"
RUN_FILE = "run.json"  # of a model folder: how it was made


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill; it is renamed to `path` when the block ends without an error.

    UserError naming `path` if the disk is full or read-only.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    with _explain_write_errors(path):
        shutil.rmtree(partial, ignore_errors=True)  # of a killed run
        # beside `path`, not in /tmp: a rename is atomic within one file system only
        try:
            partial.mkdir(parents=True)
            yield partial
            # the content must be on the disk before the name is, or a power cut leaves it empty
            for file in partial.rglob("*"):
                _sync(file)
            _sync(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # free the space of a full disk
            raise
        # a rename replaces files and empty folders alone
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a file of text as UTF-8; see write_bytes."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a temporary file, then rename it; UserError if the disk is full or read-only."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    with _explain_write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            _sync(partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        os.replace(partial, path)


def write_json(path: Path, value, indent: int | None = 1) -> None:
    """Write JSON; ValueError for NaN and Infinity, which other readers do not accept."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path):
    """Read JSON; UserError naming the file if it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # also of a file that is not UTF-8, as one cut within a character
        raise UserError(f"{path} is not valid JSON ({error}): delete it and run again") from None


def files_in(path: Path) -> list[Path]:
    """All files in a folder and its subfolders, sorted; of a file the file itself."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def sha256(path: Path) -> str:
    """Checksum of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write the checksums of a folder's files into it, in the format of `sha256sum --check`."""
    files = sorted(file for file in Path(folder).iterdir() if file.is_file())
    write_text(folder / SUMS, "".join(f"{sha256(file)}  {file.name}\n" for file in files))


def check_sum(path: Path) -> None:
    """UserError if a file differs from its checksum; folders without checksums are not checked."""
    sums = path.parent / SUMS
    if not sums.is_file():
        return
    # a whole line: a name may be the end of another name
    if f"{sha256(path)}  {path.name}" not in sums.read_text(encoding="utf-8").split("\n"):
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
def _explain_write_errors(path: Path) -> Iterator[None]:
    """Turn errors of a full or read-only disk into a UserError that names `path`."""
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number not in UNWRITABLE:
            raise
        raise UserError(
            f"{path} cannot be written ({os.strerror(number)}): make room or a place that can be "
            f"written to, then run again"
        ) from error


def _error_number(error: Exception) -> int | None:
    """The errno of an error; safetensors and tokenizers have it in their messages only."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"(?:os error|code:) (\d+)", str(error))
    return int(match[1]) if match else None

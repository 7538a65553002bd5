"""Files from outside, such as a user's data and models: their content decides what runs again.

Snakemake compares times, and of small files checksums. Rules name each such file as an input whose
time does not count, and the digest of its content as a param: a touch reruns nothing, a change
reruns what reads the file. Digests are remembered, so that large weights are read once.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from unlearning.files import read_json, sha256, write_json

REMEMBERED = Path(".snakemake") / "outside.json"
SETTLED = 2  # seconds after which a further change of a file gets another time on every file system


def digests(files: Iterable[Path]) -> dict[str, str]:
    """Path as it is spelled -> SHA-256 of the content; of a folder those of all files in it.

    A file is read again only after its size or one of its times has changed.
    """
    remembered = _remembered()
    before = dict(remembered)
    found = {}
    for file in _inside(files):
        status = file.stat()
        key = str(file.absolute())
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        stored = remembered.get(key)
        if stored is None or stored[:-1] != state:
            stored = [*state, sha256(file)]
            if time.time() - max(status.st_mtime, status.st_ctime) > SETTLED:
                remembered[key] = stored
        found[str(file)] = stored[-1]
    if remembered != before:
        with suppress(ValueError, OSError):  # a folder that is only read: read again next time
            write_json(REMEMBERED, remembered)
    return found


def content(files: Iterable[Path]) -> str:
    """`digests` as one text, for a rule's param."""
    return json.dumps(digests(files), sort_keys=True)


def _inside(files: Iterable[Path]) -> list[Path]:
    """The files, and in place of a folder those that lie in it."""
    found: list[Path] = []
    for path in map(Path, files):
        found += sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return found


def _remembered() -> dict[str, list]:
    with suppress(ValueError, OSError):
        return dict(read_json(REMEMBERED))
    return {}

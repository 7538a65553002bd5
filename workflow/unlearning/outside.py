"""Digests of files outside the project, such as a user's data and models: they decide what reruns.

Snakemake compares times and, for small files, checksums. Rules therefore name each outside file as
an input whose time does not count, and a digest of its content as a param: a touch reruns nothing,
a change reruns what reads the file. Digests are cached, so that large weights are read once.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from unlearning.files import files_in, read_json, sha256, write_json

CACHE_FILE = Path(".snakemake") / "outside.json"
SETTLED = 2  # seconds after which another change is sure to get another time on any file system


def digests(files: Iterable[Path]) -> dict[str, str]:
    """Path -> SHA-256 of the content; a folder stands for all files in it.

    A file is read again only after its size or one of its times has changed.
    """
    cache: dict[str, list] = {}
    with suppress(ValueError, OSError):
        cache = dict(read_json(CACHE_FILE))
    unchanged_cache = dict(cache)
    result = {}
    for file in chain.from_iterable(files_in(Path(path)) for path in files):
        status = file.stat()
        key = str(file.absolute())
        # the ctime too: rsync and tar set an old mtime on new content
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        entry = cache.get(key)
        if entry is None or entry[:-1] != state:
            entry = [*state, sha256(file)]
            # a file that changed just now may change again without getting another time
            if time.time() - max(status.st_mtime, status.st_ctime) > SETTLED:
                cache[key] = entry
        result[str(file)] = entry[-1]
    if cache != unchanged_cache:
        with suppress(ValueError, OSError):  # in a read-only folder files are read again next time
            write_json(CACHE_FILE, cache)
    return result


def digests_text(files: Iterable[Path]) -> str:
    """`digests` as one JSON text, for a rule's param."""
    return json.dumps(digests(files), sort_keys=True)

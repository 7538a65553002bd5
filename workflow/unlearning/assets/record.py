"""Find a fetched model or data set again by the record of rule fetch: commit, files, checksums.

Later stages look the snapshot up by its commit, so a new commit on the hub changes nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from unlearning.errors import UserError
from unlearning.files import read_json


def resolve_snapshots(records: Sequence[str]) -> dict[str, str]:
    """Asset -> folder of its snapshot, by the records of rule fetch, which are named for assets."""
    return {Path(record).stem: resolve_snapshot(record) for record in records}


def resolve_snapshot(path: str) -> str:
    """The snapshot's folder if `path` is a record; a folder or hub id is returned unchanged.

    UserError if the cache lacks one of the record's files or holds it with another size.
    """
    if not path.endswith(".json"):
        return path
    from huggingface_hub import try_to_load_from_cache

    record = read_json(Path(path))
    repository, commit = record["repository"], record["commit"]
    for name, file in record["files"].items():
        cached = try_to_load_from_cache(
            repository["name"], name, repo_type=repository["kind"], revision=commit
        )
        # by size alone: rule fetch has compared the checksums, and weights take minutes to read
        if not isinstance(cached, str) or Path(cached).stat().st_size != file["bytes"]:
            raise UserError(
                f"{path}: the cache lacks {name} of {repository['name']}, commit {commit}. Delete "
                f"{path} and run again, which fetches it; or set HF_HOME to the cache that has it"
            )
    return cached.removesuffix(f"/{name}")

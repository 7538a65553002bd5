"""What rule fetch leaves to the other stages: which commit, which files, their checksums.

They find the snapshot by its commit, so a repository that moves on changes nothing.
"""

from pathlib import Path

from unlearning.errors import UserError
from unlearning.files import read_json


def resolve_snapshot(path: str) -> str:
    """The snapshot's folder if `path` is a record; a folder or hub id as it is.

    UserError if the cache no longer holds the files, each with its size.
    """
    if not path.endswith(".json"):
        return path
    from huggingface_hub import try_to_load_from_cache

    record = read_json(Path(path))
    repository, commit = record["repository"], record["commit"]
    kept = {"repo_type": repository["kind"], "revision": commit}
    for name, file in record["files"].items():
        found = try_to_load_from_cache(repository["name"], name, **kept)
        if not isinstance(found, str) or Path(found).stat().st_size != file["bytes"]:
            raise UserError(
                f"{path}: the cache lacks {name} of {repository['name']}, commit {commit}. Delete "
                f"{path} and run again, which fetches it; or set HF_HOME to the cache that has it"
            )
    return found.removesuffix(f"/{name}")

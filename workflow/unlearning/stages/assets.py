"""What an experiment needs from the hub: list it, download it, verify it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.assets.hub import bytes_to_fetch, fetch, find, page, sizes, verify
from unlearning.assets.needs import WITHOUT_HUB, Repository, on_hub, repositories
from unlearning.config.experiment import Experiment
from unlearning.config.judged import model_use
from unlearning.config.named import NamedModel, named_models
from unlearning.config.preflight import model_problems
from unlearning.config.reading import add_config_arguments
from unlearning.errors import UserError
from unlearning.evaluation.harness import datasets_of, load_tasks
from unlearning.stages.plan import language_model_experiment


def add_arguments(parser: ArgumentParser) -> None:
    """A config, and what to do."""
    add_config_arguments(parser)
    parser.add_argument(
        "--download", action="store_true", help="download what is missing, and verify all"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare all with the hub's checksums; no network"
    )


def run(args: Namespace) -> None:
    """One asset after the other; UserError at the end with all that is wrong."""
    experiment = language_model_experiment(args)
    problems = _local(experiment)
    for asset, repository in repositories(experiment.config).items():
        try:
            folder = _repository(repository, args)
            if folder is not None and repository.kind == "model":
                use, setting = model_use(experiment, asset), repository.setting
                problems += model_problems(str(folder), use, repository.name, setting)
        except UserError as error:
            problems.append(str(error))
    problems += _harness(experiment, args.download)
    if problems:
        raise UserError("\n".join(problems))


def _local(experiment: Experiment) -> list[str]:
    """What is made here or lies in folders."""
    data, problems = experiment.config["data"], []
    for asset, model in named_models(experiment.config).items():
        if model.path is None:
            print("model: from random weights, nothing to fetch")
        elif not on_hub(model.path):
            use = model_use(experiment, asset)
            wrong = model_problems(model.path, use, setting=model.setting)
            problems += wrong
            if not wrong:
                _show_model(model)
    if problems:
        return problems
    if data.get("data_dir") is not None:
        print(f"data: folder {data['data_dir']}")
    elif data["source"] in experiment.benchmark.generated:
        print("data: generated here, nothing to fetch")
    return []


def _show_model(model: NamedModel) -> None:
    path = Path(model.path)
    print(f"{model.section}: {'folder' if path.is_dir() else 'GGUF file'} {path}")
    files = [path] if path.is_file() else [f for f in path.iterdir() if f.is_file()]
    _files({file.name: file.stat().st_size for file in files})


def _repository(repository: Repository, args: Namespace) -> Path | None:
    """Tell of a repository; its folder, unless it is still to be downloaded."""
    print(f"{repository.setting}: {page(repository)}, revision {repository.revision}")
    if repository.name in WITHOUT_HUB:
        print(f"  without the hub: {WITHOUT_HUB[repository.name]}")
    folder = fetch(repository) if args.download else find(repository)
    if folder is None:
        size = bytes_to_fetch(repository)
        print(f"  not in the cache: {_readable(size)} to download (--download)")
        return None
    _files(sizes(repository, folder))
    print(f"  in the cache: {folder}")
    if args.download or args.verify:
        files = verify(repository, folder)
        print(f"  verified: {len(files)} files have the hub's checksums")
    return folder


def _harness(experiment: Experiment, download: bool) -> list[str]:
    asked = experiment.config["harness"]
    tasks = (asked["tasks"], asked["include_path"])
    if not asked["tasks"]:
        return []
    try:
        print(f"harness.tasks: {', '.join(asked['tasks'])}; their data sets:")
        for name, configuration in datasets_of(*tasks):
            print(f"  {name} {configuration}")
        if download:
            load_tasks(*tasks)
            print("  in the cache of the datasets library")
    except UserError as error:
        return [str(error)]
    return []


def _files(found: dict[str, int]) -> None:
    for name, size in sorted(found.items()):
        print(f"  {_readable(size):>10s}  {name}")


def _readable(size: int) -> str:
    """A number of bytes for people, in the hub's units of 1000."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"

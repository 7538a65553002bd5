"""List, download and verify what an experiment needs from the hub."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.assets.hub import bytes_to_fetch, cached_folder, fetch, file_sizes, page_url, verify
from unlearning.assets.needs import WITHOUT_HUB, Repository, on_hub, repositories
from unlearning.config.experiment import Experiment
from unlearning.config.judged import model_use
from unlearning.config.named import named_models
from unlearning.config.preflight import model_problems
from unlearning.config.reading import add_config_arguments
from unlearning.errors import UserError
from unlearning.evaluation.harness import datasets_of, load_tasks
from unlearning.stages.plan import language_model_experiment


def add_arguments(parser: ArgumentParser) -> None:
    """The config's arguments, --download and --verify."""
    add_config_arguments(parser)
    parser.add_argument(
        "--download", action="store_true", help="download what is missing, and verify all"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare all with the hub's checksums; no network"
    )


def run(args: Namespace) -> None:
    """List, download or verify each asset; UserError at the end with all problems."""
    experiment = language_model_experiment(args)
    problems = _list_local_models(experiment)
    if not problems:
        _list_local_data(experiment)
    for asset, repository in repositories(experiment.config).items():
        # one that fails hides no other: a person wants to know of all before going offline
        try:
            folder = _list_repository(repository, args)
            # a model that is not there yet is judged by rule fetch
            if folder is not None and repository.kind == "model":
                use, setting = model_use(experiment, asset), repository.setting
                problems += model_problems(str(folder), use, setting, repository.name)
        except UserError as error:
            problems.append(str(error))
    problems += _list_harness_data(experiment, args.download)
    if problems:
        raise UserError("\n".join(problems))


def _list_local_models(experiment: Experiment) -> list[str]:
    """Print the models that are not on the hub; returns the problems of those in folders."""
    problems = []
    for asset, model in named_models(experiment.config).items():
        if model.path is None:
            print("model: from random weights, nothing to fetch")
        elif not on_hub(model.path):
            use = model_use(experiment, asset)
            of_model = model_problems(model.path, use, model.setting)
            problems += of_model
            if not of_model:
                path = Path(model.path)
                print(f"{model.section}: {'folder' if path.is_dir() else 'GGUF file'} {path}")
                files = path.iterdir() if path.is_dir() else [path]
                _print_sizes({file.name: file.stat().st_size for file in files if file.is_file()})
    return problems


def _list_local_data(experiment: Experiment) -> None:
    """Print where the data come from, if not from the hub."""
    data = experiment.config["data"]
    if data.get("data_dir") is not None:
        print(f"data: folder {data['data_dir']}")
    elif data["source"] in experiment.benchmark.generated:
        print("data: generated here, nothing to fetch")


def _list_repository(repository: Repository, args: Namespace) -> Path | None:
    """Print a repository, download or verify it if requested; returns its folder if cached."""
    print(f"{repository.setting}: {page_url(repository)}, revision {repository.revision}")
    if repository.name in WITHOUT_HUB:
        print(f"  without the hub: {WITHOUT_HUB[repository.name]}")
    folder = fetch(repository) if args.download else cached_folder(repository)
    # the hub is asked for its list of files alone
    if folder is None:
        size = _format_bytes(bytes_to_fetch(repository))
        print(f"  not in the cache: {size} to download (--download)")
        return None
    _print_sizes(file_sizes(repository, folder))
    print(f"  in the cache: {folder}")
    if args.download or args.verify:
        files = verify(repository, folder)
        print(f"  verified: {len(files)} files have the hub's checksums")
    return folder


def _list_harness_data(experiment: Experiment, download: bool) -> list[str]:
    """Print the data sets of harness tasks, download them if requested; returns the problems."""
    harness = experiment.config["harness"]
    tasks, folder = harness["tasks"], harness["include_path"]
    if not tasks:
        return []
    # only the datasets library knows the files of these, so they have no sizes and checksums here
    try:
        print(f"harness.tasks: {', '.join(tasks)}; their data sets:")
        for name, configuration in datasets_of(tasks, folder):
            print(f"  {name} {configuration}")
        if download:
            load_tasks(tasks, folder)
            print("  in the cache of the datasets library")
    except UserError as error:
        return [str(error)]
    return []


def _print_sizes(sizes: dict[str, int]) -> None:
    for name, size in sorted(sizes.items()):
        print(f"  {_format_bytes(size):>10s}  {name}")


def _format_bytes(size: int) -> str:
    """A number of bytes in the hub's units of 1000."""
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"

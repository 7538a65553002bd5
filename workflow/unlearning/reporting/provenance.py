"""Where the numbers come from: code, configuration, libraries, machines."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import yaml

from unlearning.assets.needs import on_hub
from unlearning.config.experiment import Experiment
from unlearning.config.named import MODEL, named_models, unused
from unlearning.files import read_json
from unlearning.machine import git_state, machine
from unlearning.redaction import redact

_LIBRARIES = (
    *("snakemake", "torch", "transformers", "accelerate", "numpy", "scipy"),
    *("altair", "vl-convert-python", "jinja2"),
)


def config_yaml(config: dict) -> str:
    """The complete configuration as YAML that can be run again."""
    return yaml.safe_dump(redact(config), sort_keys=False, allow_unicode=True, width=88)


def config_to_run(experiment: Experiment) -> dict:
    """The complete configuration as its user could write it: without the sections that the
    experiment does not use, because a config with them is refused."""
    config = experiment.config
    if not experiment.on_language_model:
        return config
    without = unused(config)
    return {section: value for section, value in config.items() if section not in without}


def libraries() -> dict[str, str]:
    """Name -> installed version, of those that are installed where the report is made."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def training_records(experiment: Experiment) -> dict[str, list[dict]]:
    """Distinct `versions` and `machine` entries of the models' run.json files that exist."""
    folders = []
    for draw in experiment.draws:
        layout = draw.layout
        folders += [layout.base, layout.restored, draw.target]
        runs = draw.retrained()
        runs += [(cell.split, cell.run) for cell in draw.cells()]
        folders += [layout.model(split, run) for split, run in runs]
    return distinct(read_json(path) for f in folders if (path := f / "run.json").is_file())


def base_origin(experiment: Experiment) -> dict | None:
    """file, bytes, sha256 and quantisation of the GGUF file that the base was restored from."""
    if not experiment.on_language_model or not experiment.restored:
        return None
    record = experiment.layout.restored / "run.json"
    return read_json(record)["source"] if record.is_file() else None


def named_origins(experiment: Experiment) -> list[dict]:
    """Where a target and retrained models come from that a config names: folder, or hub id,
    revision and commit, or a log's name, format and sha256."""
    if not experiment.on_language_model:
        return []
    layout, origins = experiment.layout, []
    for asset, model in named_models(experiment.config).items():
        if asset == MODEL:
            continue
        section, _, split = model.section.partition(".")
        origin = {f"{section} model of {split}" if split else section: model.path}
        if on_hub(model.path):
            origin["revision"] = model.revision
            record = layout.assets / f"{asset}.json"
            if record.is_file():
                origin["commit"] = read_json(record)["commit"]
        origins.append(origin)
    for split, run in experiment.retrained():
        summary = layout.evaluation(split, run) / "summary.json"
        if experiment.log_of(split, run) is not None and summary.is_file():
            log = read_json(summary)["log"]
            origins.append({f"log of the retrained model of {split}": log.pop("file"), **log})
    return origins


def distinct(records: Iterable[dict]) -> dict[str, list[dict]]:
    """Distinct `versions` and `machine` entries of records of runs."""
    distinct: dict[str, list[dict]] = {"versions": [], "machine": []}
    for record in records:
        for key, entries in distinct.items():
            if record.get(key) and record[key] not in entries:
                entries.append(record[key])
    return distinct


def provenance(experiment: Experiment, training: dict[str, list[dict]] | None = None) -> dict:
    """Everything for the page. training: distinct(), if the experiment has no model folders."""
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "git": git_state(Path(__file__).parent),
        "libraries": libraries(),
        "machine": machine(),
        "base": base_origin(experiment),
        "named": named_origins(experiment),
        "training": training or training_records(experiment),
        "config": config_yaml(config_to_run(experiment)),
        "command": f"snakemake --cores all --configfile {experiment.config['experiment']}.yaml",
    }

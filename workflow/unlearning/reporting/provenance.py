"""Collect where the numbers come from: code, configuration, libraries, machines."""

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
    """The complete configuration as YAML that can be run again, without secrets."""
    return yaml.safe_dump(redact(config), sort_keys=False, allow_unicode=True, width=88)


def config_to_run(experiment: Experiment) -> dict:
    """The complete configuration without sections that the experiment does not use: the checks
    would refuse a config that has them."""
    config = experiment.config
    if not experiment.on_language_model:
        return config
    without = unused(config)
    return {section: value for section, value in config.items() if section not in without}


def libraries() -> dict[str, str]:
    """Name -> version of each library that is installed where the report is made."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not every report needs all of them
            continue
    return versions


def training_records(experiment: Experiment) -> dict[str, list[dict]]:
    """Distinct `versions` and `machine` entries of the models' run.json files that exist."""
    # Most folders of unlearned models are removed after their evaluation: see `keep_models`.
    folders = []
    for draw in experiment.draws:
        layout = draw.layout
        folders += [layout.base, layout.restored, draw.target]
        runs = draw.retrained()
        runs += [(cell.split, cell.run) for cell in draw.cells()]
        folders += [layout.model(split, run) for split, run in runs]
    records = []
    for folder in folders:
        path = folder / "run.json"
        if path.is_file():
            records.append(read_json(path))
    return distinct(records)


def base_origin(experiment: Experiment) -> dict | None:
    """The GGUF file that the base was restored from: file, bytes, sha256 and quantisation."""
    if not experiment.on_language_model or not experiment.restored:
        return None
    record = experiment.layout.restored / "run.json"
    return read_json(record)["source"] if record.is_file() else None


def named_origins(experiment: Experiment) -> list[dict]:
    """Origins of the target and retrained models that a config names.

    For a model its folder, or its hub id, revision and commit; for an evaluation log its name,
    format and sha256.
    """
    if not experiment.on_language_model:
        return []
    layout, origins = experiment.layout, []
    for asset, model in named_models(experiment.config).items():
        if asset == MODEL:  # the base: the configuration on the page names it
            continue
        section, _, split = model.section.partition(".")  # such as retrained.forget10
        origin = {f"{section} model of {split}" if split else section: model.path}
        if on_hub(model.path):
            origin["revision"] = model.revision
            record = layout.assets / f"{asset}.json"
            if record.is_file():
                # a revision may be a branch, so its commit when it was fetched
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
    """All of the above for the page. training: distinct() of the runs' records, for experiments
    without model folders."""
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

"""Where the numbers come from: code, configuration, libraries, machines."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import yaml

from unlearning.assets.needs import on_hub
from unlearning.config.experiment import Experiment
from unlearning.config.named import MODEL, named_models, unused
from unlearning.files import read_json

REDACTED = "[redacted]"
_LIBRARIES = ("snakemake", "torch", "transformers", "accelerate", "numpy", "scipy", "altair")
_LIBRARIES += ("vl-convert-python", "jinja2")
_SECRET_KEYS = re.compile(r"(^|_)(token|secret|password|passwd|credential|api_?key)s?$", re.I)
_PUBLIC_KEYS = ("hub_revision", "revision")  # a commit: long, and no secret
_SECRET_VALUES = re.compile(
    r"\b(hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[bp]-|AKIA)[\w-]{8,}"  # tokens of known services
    r"|://[^/\s:@]+:[^/\s@]+@"  # user and password within an address
    r"|\b(?=\w*[0-9])(?=\w*[a-zA-Z])\w{32,}\b"  # long keys without a prefix
)


def redacted(value, key: str = ""):
    """`value` with everything that looks like a secret replaced, at any depth."""
    if isinstance(value, dict):
        return {k: redacted(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [redacted(v, key) for v in value]
    if not isinstance(value, str) or key in _PUBLIC_KEYS:
        return value
    secret = _SECRET_KEYS.search(key) or _SECRET_VALUES.search(value)
    return REDACTED if secret else value


def config_yaml(config: dict) -> str:
    """The complete configuration as YAML that can be run again."""
    return yaml.safe_dump(redacted(config), sort_keys=False, allow_unicode=True, width=88)


def config_to_run(experiment: Experiment) -> dict:
    """The complete configuration as its user could write it: without sections that the experiment
    has no use for, which are refused where they are written."""
    config = experiment.config
    if not experiment.on_language_model:
        return config
    without = unused(config)
    return {section: value for section, value in config.items() if section not in without}


def git_state(folder: Path) -> str:
    """Commit of the checkout, and whether it holds changes that are not in it."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "not in a git checkout"
    return f"{commit}, with uncommitted changes" if changed else commit


def libraries() -> dict[str, str]:
    """Name -> installed version, of those that are installed where the report is made."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Processor, cores and memory of the machine that makes the report."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def training_records(experiment: Experiment) -> dict[str, list[dict]]:
    """Distinct `versions` and `machine` entries of the models' run.json, where they still exist."""
    layout = experiment.layout
    folders = [layout.base, layout.restored, experiment.target]
    runs = experiment.retrained()
    runs += [(cell.split, cell.run) for cell in experiment.cells()]
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
    found: dict[str, list[dict]] = {"versions": [], "machine": []}
    for record in records:
        for key, entries in found.items():
            if record.get(key) and record[key] not in entries:
                entries.append(record[key])
    return found


def provenance(experiment: Experiment, training: dict[str, list[dict]] | None = None) -> dict:
    """All of it, for the page. training: distinct(), if the experiment has no model folders."""
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


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()

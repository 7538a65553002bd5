"""What must be there before the first job: data, models, a place for results."""

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from unlearning.assets.gguf import gguf_problems, is_gguf
from unlearning.assets.needs import on_hub
from unlearning.config.experiment import Experiment
from unlearning.config.schema import ConfigError
from unlearning.config.synthetic import SyntheticExperiment
from unlearning.data.problems import data_problems
from unlearning.data.task_files import task_problems
from unlearning.evaluation.harness import absent

PACKAGES = {"adamw8bit": "torchao", "paged_adamw_32bit": "bitsandbytes"}


def preflight(experiment: Experiment | SyntheticExperiment) -> None:
    """ConfigError with everything that is missing on this machine."""
    problems = _results(experiment)
    if not experiment.synthetic:
        problems += _language_model(experiment)
    if problems:
        raise ConfigError(problems)


def _language_model(experiment: Experiment) -> list[str]:
    config = experiment.config
    holdout = config["evaluation"]["holdout"]
    problems = data_problems(config["data"], experiment.tables, holdout)
    return problems + _model(experiment) + _harness(experiment) + _optimizer(experiment)


def _results(experiment: Experiment | SyntheticExperiment) -> list[str]:
    folder = experiment.layout.root.absolute()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return []
    except OSError as error:
        return [
            f"results: cannot write to '{experiment.config['results']}' ({existing}: "
            f"{error.strerror}). Set results to a folder that you may write to"
        ]


def _model(experiment: Experiment) -> list[str]:
    path, revision = (experiment.config["model"][key] for key in ("path", "revision"))
    if on_hub(path):
        return []  # rule fetch says whether it can be had, before any job that needs it
    if revision != "main":
        return [
            f"model.revision: '{revision}' is for a hub id, but model.path is {path!r}; remove it"
        ]
    return [] if path is None else model_problems(path)


def model_problems(path: str) -> list[str]:
    """What a model folder lacks, or why a GGUF file cannot be read."""
    if is_gguf(path):
        return gguf_problems(path)
    folder = Path(path)
    if not folder.is_dir():
        return [
            f"model.path: no folder '{path}'. It should hold config.json, *.safetensors and the "
            "tokenizer, or be a GGUF file or a hub id such as meta-llama/Llama-2-7b-chat-hf"
        ]
    wanted = ("config.json", "tokenizer_config.json")
    missing = [name for name in wanted if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        found = ", ".join(sorted(os.listdir(folder))) or "nothing"
        return [f"model.path: '{path}' lacks {', '.join(missing)}; it holds {found}"]
    try:
        tokenizer = dict(json.loads((folder / "tokenizer_config.json").read_text()))
    except (ValueError, TypeError) as error:
        return [f"model.path: '{path}/tokenizer_config.json' is not a JSON object ({error})"]
    if not tokenizer.get("eos_token"):
        return [
            f"model.path: the tokenizer of '{path}' has no end-of-sequence token, but every answer "
            "must end in one: set eos_token in its tokenizer_config.json"
        ]
    return []


def _harness(experiment: Experiment) -> list[str]:
    asked, problems = experiment.config["harness"], []
    if experiment.tasks["tasks"] and (problem := absent()) is not None:
        other = "" if experiment.on_wmdp else ", or set tasks to []"
        problems.append(f"harness.tasks: {problem}{other}")
    if asked["include_path"] is not None and not Path(asked["include_path"]).is_dir():
        problems.append(
            f"harness.include_path: no folder '{asked['include_path']}'. It should hold the YAML "
            "files of your tasks, or be null"
        )
    elif asked["include_path"] is not None:
        found = task_problems(asked["include_path"], asked["tasks"])
        problems += [f"harness.include_path: {problem}" for problem in found]
    return problems


def _optimizer(experiment: Experiment) -> list[str]:
    problems = []
    for stage in ("pretrain", "finetune", "unlearn", "relearn"):
        optimizer = (experiment.config[stage] or {}).get("optimizer")
        package = PACKAGES.get(optimizer)
        if package is not None and find_spec(package) is None:
            problems.append(
                f"{stage}.optimizer: {optimizer} needs the package {package}; install it with "
                "`pip install --constraint envs/constraints.txt '.[gpu]'`, or set adamw"
            )
        if optimizer == "paged_adamw_32bit" and not experiment.config["resources"]["gpus"]:
            problems.append(
                f"{stage}.optimizer: {optimizer} needs a CUDA GPU, and resources.gpus is 0; set "
                "resources.gpus to 1, or adamw"
            )
    return problems

"""What must be there before the first job: data, models, a place for results."""

import json
import os
import re
import tempfile
from pathlib import Path

from unlearning.config.experiment import Experiment
from unlearning.config.schema import ConfigError
from unlearning.data.splits import evaluated_on
from unlearning.data.tofu import folder_problems

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def preflight(experiment: Experiment) -> None:
    """ConfigError with everything that is missing on this machine."""
    problems = _results(experiment) + _data(experiment) + _model(experiment)
    if problems:
        raise ConfigError(problems)


def _results(experiment: Experiment) -> list[str]:
    folder = Path(experiment.config["results"]).absolute()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return []
    except OSError as error:
        return [
            f"results: cannot write to '{experiment.config['results']}' ({existing}: "
            f"{error.strerror}). Set results to a folder that you may write to"
        ]


def _data(experiment: Experiment) -> list[str]:
    data = experiment.config["data"]
    if data["source"] != "tofu" or data["data_dir"] is None:
        return []
    return folder_problems(data["data_dir"], sorted(set(map(evaluated_on, experiment.splits))))


def _model(experiment: Experiment) -> list[str]:
    path = experiment.config["model"]["path"]
    if path is None:
        return []
    folder = Path(path)
    if not folder.is_dir():
        if HUB_ID.fullmatch(path) and not folder.parent.is_dir():
            return []  # a hub id; whether it can be loaded shows when it is
        return [
            f"model.path: no folder '{path}'. It should hold config.json, *.safetensors and the "
            "tokenizer, or be a hub id such as meta-llama/Llama-2-7b-chat-hf"
        ]
    wanted = ("config.json", "tokenizer_config.json")
    missing = [name for name in wanted if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        found = ", ".join(sorted(os.listdir(folder))) or "nothing"
        return [f"model.path: '{path}' lacks {', '.join(missing)}; it holds {found}"]
    if not json.loads((folder / "tokenizer_config.json").read_text()).get("eos_token"):
        return [
            f"model.path: the tokenizer of '{path}' has no end-of-sequence token, but every answer "
            "must end in one: set eos_token in its tokenizer_config.json"
        ]
    return []

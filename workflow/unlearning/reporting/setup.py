"""The set-up of an experiment in words: base model and recipe."""

from unlearning.assets.gguf import is_gguf


def base_model(model: dict) -> str:
    """The base model in words."""
    shape = model["architecture"]
    if shape is None:
        name = model["path"].rstrip("/").rpartition("/")[2]
        return f"{name}, quantised and restored to full weights" if is_gguf(name) else name
    return (
        f"a Llama from random weights ({shape['layers']} layers, {shape['width']} wide, "
        f"{shape['heads']} heads)"
    )


def recipe(unlearn: dict) -> str:
    """The shared recipe of the unlearning runs."""
    return (
        f"{unlearn['epochs']:g} epochs, batch {unlearn['batch_size']}, learning rate "
        f"{unlearn['lr']:g}".replace("e-0", "e-")
    )

"""Select the parameters that a method trains by a regular expression of their names. No torch."""

import re
from collections.abc import Iterable, Sequence

from unlearning.methods.terms import LAYERS

WINDOW = 3  # RMU trains the layer whose output it steers and the two before it
# of a Llama: those of attention, then those of the feed-forward block
LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EXAMPLES = 5  # names in a message


def matching(pattern: str, layer: int, names: Sequence[str]) -> list[str]:
    """The names that match as a whole; {layers} in the pattern stands for layer-2 … layer."""
    layers = "|".join(map(str, range(max(0, layer - WINDOW + 1), layer + 1)))
    expression = re.compile(pattern.replace(LAYERS, f"({layers})"))
    return [name for name in names if expression.fullmatch(name)]


def missing_modules(modules: Sequence[str], names: Iterable[str]) -> list[str]:
    """The modules for an adapter that no full name of a module ends with, as peft compares them."""
    # a module may be called by several of its last parts, as self_attn.q_proj
    ends: set[str] = set()
    for name in names:
        parts = name.split(".")
        ends.update(".".join(parts[start:]) for start in range(len(parts)))
    return [module for module in modules if module not in ends]


def no_match(pattern: str, names: Sequence[str]) -> str:
    """The message for a pattern that matches no parameter of a model, with example names."""
    # patterns nearly always mean layers, whose names have a number
    numbered = [name for name in names if re.search(r"\.\d+\.", name)] or list(names)
    examples = ", ".join(numbered[-EXAMPLES:])
    return (
        f"{pattern!r} matches no parameter of this model; whole names are compared, such as "
        f"{examples}"
    )


def llama_names(layers: int) -> list[str]:
    """Parameter names of a Llama with tied embeddings, which models from random weights are."""
    parts = [f"self_attn.{layer}" for layer in LINEAR_LAYERS[:4]]
    parts += [f"mlp.{layer}" for layer in LINEAR_LAYERS[4:]]
    parts += ["input_layernorm", "post_attention_layernorm"]
    names = ["model.embed_tokens.weight"]
    for layer in range(layers):
        names += [f"model.layers.{layer}.{part}.weight" for part in parts]
    return [*names, "model.norm.weight"]

"""Which parameters a method trains, by a regular expression of their whole names. No torch."""

import re
from collections.abc import Sequence

from unlearning.methods.terms import LAYERS

WINDOW = 3  # RMU trains the layer whose output it steers and the two before it
SHOWN = 5  # names that a message gives as examples


def matching(pattern: str, layer: int, names: Sequence[str]) -> list[str]:
    """The names that match; {layers} in the pattern stands for the numbers layer-2 … layer."""
    window = "|".join(str(k) for k in range(max(0, layer - WINDOW + 1), layer + 1))
    wanted = re.compile(pattern.replace(LAYERS, f"({window})"))
    return [name for name in names if wanted.fullmatch(name)]


def no_match(pattern: str, names: Sequence[str]) -> str:
    """What to say where no parameter of a model matches: names of it, to choose from."""
    numbered = [name for name in names if re.search(r"\.\d+\.", name)] or list(names)
    examples = ", ".join(numbered[-SHOWN:])
    return (
        f"{pattern!r} matches no parameter of this model; whole names are compared, such as "
        f"{examples}"
    )


def llama_names(layers: int) -> list[str]:
    """Parameters of a Llama with tied embeddings, as models from random weights are."""
    attention = [f"self_attn.{part}_proj" for part in "qkvo"]
    inside = [*attention, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    inside += ["input_layernorm", "post_attention_layernorm"]
    numbered = [f"model.layers.{k}.{part}.weight" for k in range(layers) for part in inside]
    return ["model.embed_tokens.weight", *numbered, "model.norm.weight"]

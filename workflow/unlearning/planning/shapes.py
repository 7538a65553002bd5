"""Shapes of language models: numbers of layers, widths and parameters."""

import json
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from unlearning.assets.gguf import gguf_config, is_gguf
from unlearning.assets.hub import weight_files
from unlearning.errors import UserError

# what families call the numbers of a shape in config.json
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "n_embed")
HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads", "attention_heads")
FEED_FORWARD = ("intermediate_size", "n_inner", "ffn_dim", "dff", "ffn_hidden_size")
LONGEST_HEADER = 100_000_000  # bytes; the safetensors library refuses longer ones
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


@dataclass(frozen=True)
class Shape:
    """The shape of a causal decoder.

    key_value: width of all key heads together. feed_forward: in a mixture of experts of those that
    a token passes through. gated: with Llama's feed-forward of three matrices and RMS norms;
    otherwise with Phi's of two, with biases, and one layer norm in each layer. counted: parameters
    of a model that is there, whatever its family is made of.
    """

    layers: int
    hidden: int
    heads: int
    key_value: int
    feed_forward: int
    vocabulary: int
    tied: bool
    gated: bool = True
    counted: int | None = None

    @property
    def embedding(self) -> int:
        """Parameters of one vocabulary matrix."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        return self.active if self.counted is None else self.counted

    @property
    def active(self) -> int:
        """Parameters that a token passes through: all but those of experts that it does not."""
        h, kv, f = self.hidden, self.key_value, self.feed_forward
        attention = 2 * h * h + 2 * h * kv
        if self.gated:
            layer = attention + 3 * h * f + 2 * h  # two norms
            final = h  # norm
        else:
            biases = 2 * h + 2 * kv + h + f
            layer = attention + 2 * h * f + biases + 2 * h  # one norm with a bias
            final = 2 * h + self.vocabulary  # norm, and the projection's bias
        return self.layers * layer + final + self.embedding * (1 if self.tied else 2)

    @property
    def multiplied(self) -> int:
        """Parameters in matrix products: all except an embedding that is only looked up."""
        return self.parameters - (0 if self.tied else self.embedding)

    def adapter(self, lora: dict | None) -> int:
        """Parameters of a recipe's LoRA adapter; 0 without one."""
        if lora is None:
            return 0
        h, kv, f = self.hidden, self.key_value, self.feed_forward
        # input and output width of each module of a layer
        widths = {"q_proj": 2 * h, "k_proj": h + kv, "v_proj": h + kv}
        if self.gated:
            widths |= {"o_proj": 2 * h, "gate_proj": h + f, "up_proj": h + f, "down_proj": h + f}
        else:
            widths |= {"dense": 2 * h, "fc1": h + f, "fc2": h + f}
        modules = widths if lora["modules"] == "all-linear" else lora["modules"]
        return self.layers * lora["rank"] * sum(widths.get(module, 0) for module in modules)

    @property
    def largest(self) -> int:
        return max(self.embedding, self.hidden * self.feed_forward)


# from config.json on the hub, of the shipped experiments' models and similar ones
KNOWN = {
    "Llama-2-7b": Shape(32, 4096, 32, 4096, 11008, 32000, tied=False),
    "iclm-7b": Shape(32, 4096, 32, 4096, 11008, 32000, tied=False),  # a Llama of the first kind
    "Llama-3.2-1B": Shape(16, 2048, 32, 512, 8192, 128256, tied=True),
    "phi-1_5": Shape(24, 2048, 32, 2048, 8192, 51200, tied=False, gated=False),
    "zephyr-7b": Shape(32, 4096, 32, 1024, 14336, 32000, tied=False),
    "SmolLM2-135M": Shape(30, 576, 9, 192, 1536, 49152, tied=True),
}


def target_shape(config: dict) -> Shape:
    """The shape of a config's target model, or else of its base, which has the same; UserError if
    neither is known."""
    if config["target"] is None:
        return shape_of(config["model"])
    try:
        return shape_of({"architecture": None, **config["target"]}, "target.path")
    except UserError:
        if config["model"]["path"] is None:
            raise
        return shape_of(config["model"])


def shape_of(model: dict, setting: str = "model.path") -> Shape:
    """The shape of the model in a config's section; UserError if it is not known. setting: the key
    of its path."""
    architecture = model["architecture"]
    if architecture is not None:
        return Shape(
            architecture["layers"],
            architecture["width"],
            architecture["heads"],
            architecture["width"],
            architecture["feed_forward"],
            architecture["vocabulary"],
            tied=True,
        )
    if is_gguf(model["path"]) and Path(model["path"]).is_file():
        return shape_from_config(gguf_config(Path(model["path"])), model["path"])
    path = Path(model["path"]) / "config.json"
    if path.is_file():
        shape = shape_from_config(read_config(path), str(path))
        return replace(shape, counted=count_parameters(path.parent))
    for name, shape in KNOWN.items():
        if name.lower() in Path(model["path"]).name.lower():
            return shape
    raise UserError(
        f"{setting}: the shape of '{model['path']}' is not known here (known: "
        f"{', '.join(KNOWN)}). Download the model and set {setting} to its folder"
    )


def read_config(path: Path) -> dict:
    """A model folder's config.json; UserError if it is no JSON."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is not a JSON object ({error})") from None


def shape_from_config(config: dict, source: str) -> Shape:
    """The shape in a model's configuration; UserError naming `source` if it is incomplete."""
    text = config.get("text_config")  # of a model that sees images, too, such as Gemma-3
    if isinstance(text, dict):
        config = {**config, **text}
    try:
        hidden, heads = _field(config, HIDDEN), _field(config, HEADS, 1)  # recurrent: no heads
        head = config.get("head_dim") or hidden // heads
        # Nemotron-H lists its layers, and does not say how many there are
        listed = len(config.get("layers_block_type") or ()) or None
        return Shape(
            _field(config, LAYERS, listed),
            hidden,
            heads,
            head * (config.get("num_key_value_heads") or heads),
            _feed_forward(config, hidden),
            config["vocab_size"],
            tied=config.get("tie_word_embeddings", False),
            gated=config["model_type"] != "phi",
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{source} does not describe a causal language model ({error!r}): it needs "
            "hidden_size, num_hidden_layers, vocab_size and model_type"
        ) from None


def _field(config: dict, names: tuple[str, ...], default: int | None = None) -> int:
    """The first of some keys that a config has a number for; KeyError if there is no default."""
    for name in names:
        value = config.get(name)
        if value:
            # some families say a number for each layer: the largest errs on the safe side
            return max(value) if isinstance(value, list) else value
    if default is None:
        raise KeyError(names[0])
    return default


def _feed_forward(config: dict, hidden: int) -> int:
    """Width of the feed-forward layer that a token passes through."""
    # GPT-2 and its kin leave out what is four times the hidden width
    width = _field(config, FEED_FORWARD, 4 * hidden)
    if _field(config, EXPERTS, 1) == 1:
        return width
    expert = config.get("moe_intermediate_size") or width
    experts = (config.get("num_experts_per_tok") or 1) + (config.get("n_shared_experts") or 0)
    return experts * expert + (config.get("shared_expert_intermediate_size") or 0)


def count_parameters(folder: Path) -> int | None:
    """Parameters of a model folder by the headers of its safetensors files, whose length stands
    before them; None where a file is missing or damaged, which preflight reports."""
    total = 0
    try:
        for name in weight_files(folder):
            with (folder / name).open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > LONGEST_HEADER:
                    return None
                header = json.loads(file.read(length))
            for key, tensor in header.items():
                if key != "__metadata__":
                    total += prod(tensor["shape"])
    except Exception:  # anything may stand in a damaged header or index, and any length before it
        return None
    return total

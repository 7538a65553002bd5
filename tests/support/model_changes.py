"""Changes of a model folder that make it another one, mostly a broken one."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SETTINGS = "tokenizer_config.json"
Change = Callable[[Path], None]


def tensors(edit: Callable[[dict[str, torch.Tensor]], None], name: str = WEIGHTS) -> Change:
    """A change of the tensors of a file of weights, in place."""

    def change(folder: Path) -> None:
        state = load_file(folder / name)
        edit(state)
        save_file({key: value.contiguous() for key, value in state.items()}, folder / name)

    return change


def settings(name: str, **values) -> Change:
    """Keys of a JSON file set; None removes one."""

    def change(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text(encoding="utf-8"))
        content |= values
        content = {key: value for key, value in content.items() if value is not None}
        path.write_text(json.dumps(content), encoding="utf-8")

    return change


def removed(*names: str) -> Change:
    """Files removed."""
    return lambda folder: [(folder / name).unlink() for name in names] and None


def written(name: str, content: bytes) -> Change:
    """A file with other content."""
    return lambda folder: (folder / name).write_bytes(content) and None


def halved(name: str) -> Change:
    """The first half of a file."""

    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def then(*changes: Change) -> Change:
    """Several changes, one after the other."""

    def change(folder: Path) -> None:
        for step in changes:
            step(folder)

    return change


def renamed(old: str, new: str) -> Change:
    """A file under another name."""
    return lambda folder: (folder / old).rename(folder / new) and None


def sharded(folder: Path) -> None:
    """The weights in two files with an index."""
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(state)
    half = len(names) // 2
    index = {}
    for number, part in enumerate((names[:half], names[half:]), start=1):
        name = f"model-{number:05d}-of-00002.safetensors"
        save_file({key: state[key] for key in part}, folder / name)
        index |= dict.fromkeys(part, name)
    content = {"metadata": {}, "weight_map": index}
    (folder / INDEX).write_text(json.dumps(content), encoding="utf-8")


def prefixed(prefix: str) -> Change:
    """Every tensor's name behind a prefix."""

    def edit(state: dict) -> None:
        for key in list(state):
            state[prefix + key] = state.pop(key)

    return tensors(edit)


def dropped(*endings: str) -> Change:
    """Tensors whose names start or end so removed."""

    def edit(state: dict) -> None:
        for key in list(state):
            if key.startswith(endings) or key.endswith(endings):
                del state[key]

    return tensors(edit)


def replaced(key: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    """A tensor computed from itself."""
    return tensors(lambda state: state.update({key: value(state[key])}))


def spoilt(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """One entry of a tensor replaced."""

    def spoil(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return spoil


def token_added(folder: Path) -> None:
    """A token that the embedding has no row for."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)


def ends_by_itself(folder: Path) -> None:
    """A tokenizer that appends the end of sequence to every text, and puts a token before it."""
    from tokenizers import processors
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<unk> $A <eos>", special_tokens=[("<unk>", 2), ("<eos>", 1)]
    )
    tokenizer.save_pretrained(folder)


def end_removed(folder: Path) -> None:
    """A vocabulary without the end of sequence, which then gets the id of the last token."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["model"]["vocab"]["<eos>"]
    path.write_text(json.dumps(content), encoding="utf-8")


def special_tokens_map(folder: Path) -> None:
    """The end of sequence named in special_tokens_map.json alone, as older folders have it."""
    settings(SETTINGS, eos_token=None)(folder)
    content = json.dumps({"eos_token": "<eos>"})
    (folder / "special_tokens_map.json").write_text(content, encoding="utf-8")


def encoder_decoder(folder: Path) -> None:
    """T5 in place of the Llama."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=320, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(folder)


def encoder(folder: Path) -> None:
    """BERT in place of the Llama, saved with the head that calls itself a language model."""
    from transformers import BertConfig, BertLMHeadModel

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = BertConfig(vocab_size=320, num_hidden_layers=1, **sizes)
    BertLMHeadModel(config).save_pretrained(folder)


def both_ways(folder: Path) -> None:
    """XLNet in place of the Llama: its configuration says nothing of an encoder."""
    from transformers import XLNetConfig, XLNetLMHeadModel

    config = XLNetConfig(vocab_size=320, d_model=16, n_layer=1, n_head=2, d_inner=16)
    XLNetLMHeadModel(config).save_pretrained(folder)


def with_images(folder: Path) -> None:
    """Gemma-3 in place of the Llama, with its tower for images, as in all but its smallest size."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    vision = {**sizes, "num_hidden_layers": 1, "image_size": 28, "patch_size": 14}
    text = {**sizes, "num_key_value_heads": 2, "num_hidden_layers": 2, "head_dim": 8}
    text |= {"vocab_size": 320, "max_position_embeddings": 256}
    Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config=vision)
    ).save_pretrained(folder)


def learned_positions(folder: Path) -> None:
    """GPT-2 in place of the Llama, under the names of its first release: no prefix, and with the
    masks that it computes itself."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=320, n_embd=16, n_layer=1, n_head=2, n_positions=256)
    GPT2LMHeadModel(config).save_pretrained(folder)

    def older(state: dict) -> None:
        for key in list(state):
            state[key.removeprefix("transformer.")] = state.pop(key)
        state.pop("lm_head.weight", None)

    tensors(older)(folder)


def experts(folder: Path) -> None:
    """Mixtral in place of the Llama, with a tensor for each expert, as on the hub."""
    from transformers import MixtralConfig, MixtralForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 2, "num_hidden_layers": 1, "num_local_experts": 2}
    MixtralForCausalLM(MixtralConfig(vocab_size=320, **sizes)).save_pretrained(folder)


def replaced_with(key: str) -> Change:
    """A tensor more."""
    return tensors(lambda state: state.update({key: torch.ones(4)}))


def misspelt(key: str) -> Change:
    """A tensor under a name with one letter more."""
    return tensors(lambda state: state.update({key + "s": state.pop(key)}))


def eight_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Numbers of 8 bits, without the scales that they would need."""
    return tensor.to(torch.float8_e4m3fn)


def one_shard(folder: Path) -> None:
    """An index that has lost its second file."""
    content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    first = {k: v for k, v in content["weight_map"].items() if "00001" in v}
    (folder / INDEX).write_text(json.dumps({**content, "weight_map": first}), encoding="utf-8")

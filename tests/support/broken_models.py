"""One good model folder and what may be wrong with it: named changes with what must follow.

Tests of the judgement walk through the list, and so does the search for what is accepted wrongly.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from model_changes import (
    INDEX,
    SETTINGS,
    WEIGHTS,
    Change,
    both_ways,
    dropped,
    eight_bits,
    encoder,
    encoder_decoder,
    end_removed,
    ends_by_itself,
    experts,
    halved,
    learned_positions,
    misspelt,
    one_shard,
    prefixed,
    removed,
    renamed,
    replaced,
    replaced_with,
    settings,
    sharded,
    special_tokens_map,
    spoilt,
    then,
    token_added,
    with_images,
    written,
)
from toy import WORDS
from transformers import LlamaConfig, LlamaForCausalLM
from unlearning.models.build import train_tokenizer

CONFIG = "config.json"
LAYER = "model.layers.1."
QUERY, KEY = f"{LAYER}self_attn.q_proj.weight", f"{LAYER}self_attn.k_proj.weight"
HEAD, EMBEDDING, NORM = "lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"


@dataclass(frozen=True)
class Broken:
    """A change of the good folder. says: what the message must hold, in any order; None: the folder
    is still right. late: only loading the weights can tell. use: how the experiment differs."""

    name: str
    change: Change
    says: tuple[str, ...] | None
    late: bool = False
    use: dict = field(default_factory=dict)


def good_model(folder: Path) -> Path:
    """A Llama of two layers with a head of its own and four query heads for two keys; words as
    tokens, and byte-level pieces for what is no word. transformers wrote it, not this project."""
    tokenizer = train_tokenizer("bpe", [" ".join(WORDS)] * 4, 320)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def use(**changes) -> dict:
    """An experiment's use of the model, as Experiment.model_use says it: TOFU's limits, tables that
    are not at hand."""
    limits = {"finetune": 128, "unlearn": 128, "evaluation": 128}
    data = {"source": "tofu", "data_dir": None}
    stated = {"prompt": "plain", "benchmark": "tofu", "max_length": limits, "rows": 6}
    stated |= {
        "runs": [],
        "lora": {},
        "generation": {"tokens": 64, "counts": "total"},
        "data": data,
        "splits": ["forget10"],
    }
    return stated | changes


def changed(good: Path, broken: Broken, folder: Path) -> Path:
    """A copy of the good folder with one change."""
    shutil.copytree(good, folder)
    broken.change(folder)
    return folder


WEIGHT_CHANGES = [
    Broken("prefix of peft", prefixed("base_model.model."), ("base_model.model.", "merge")),
    Broken("prefix of a wrapper", prefixed("module."), ("module.", "lacks")),
    Broken("prefix of torch.compile", prefixed("_orig_mod."), ("_orig_mod.", "lacks")),
    Broken("no head", dropped(HEAD), ("lacks", HEAD)),
    Broken("no layer", dropped(LAYER), ("lacks", LAYER)),
    Broken("no norm", dropped("norm.weight"), ("lacks", NORM)),
    Broken("no tensor at all", dropped("weight"), ("lacks", "tensors")),
    Broken("a layer more by config", settings(CONFIG, num_hidden_layers=3), ("layers.2.",)),
    Broken("one layer by config", settings(CONFIG, num_hidden_layers=1), ("do not belong", LAYER)),
    Broken("tied by config", settings(CONFIG, tie_word_embeddings=True), None),
    Broken("wider by config", settings(CONFIG, hidden_size=32), ("config.json", EMBEDDING)),
    Broken("feed-forward", settings(CONFIG, intermediate_size=32), ("[24, 16]", "[32, 16]")),
    Broken("more key heads", settings(CONFIG, num_key_value_heads=4), ("k_proj", "[16, 16]")),
    Broken("heads that divide nothing", settings(CONFIG, num_attention_heads=5), ("config",)),
    Broken("fewer words by config", settings(CONFIG, vocab_size=100), (EMBEDDING, "[100, 16]")),
    Broken("biases by config", settings(CONFIG, attention_bias=True), ("lacks", "bias")),
    Broken("a foreign head", replaced_with("score.weight"), ("do not belong", "score.weight")),
    Broken("a value head", replaced_with("v_head.summary.weight"), ("do not belong", "v_head")),
    Broken("buffers of older Llamas", replaced_with(f"{LAYER}rotary_emb.inv_freq"), None),
    Broken("shards", sharded, None),
    Broken("a shard missing", then(sharded, removed("model-00002-of-00002.safetensors")),
           ("model-00002-of-00002.safetensors", INDEX)),
    Broken("a shard empty", then(sharded, written("model-00001-of-00002.safetensors", b"")),
           ("model-00001-of-00002.safetensors", "0 bytes")),
    Broken("an index that names one shard", then(sharded, one_shard), ("lacks", "tensors")),
    Broken("an index that is no JSON", then(sharded, written(INDEX, b"{")), (INDEX,)),
    Broken("an index without a map", then(sharded, written(INDEX, b"{}")), (INDEX,)),
    Broken("an index that is a list", then(sharded, written(INDEX, b"[1]")), (INDEX,)),
    Broken("an empty map", then(sharded, written(INDEX, b'{"weight_map": {}}')), (INDEX,)),
    Broken("no weights", removed(WEIGHTS), ("*.safetensors", "it holds")),
    Broken("weights under another name", renamed(WEIGHTS, "llama.safetensors"),
           ("model.safetensors", "llama.safetensors")),
    Broken("pickled weights", then(removed(WEIGHTS), written("pytorch_model.bin", b"PK")),
           ("pytorch_model.bin", "save_pretrained")),
    Broken("an adapter alone", written("adapter_config.json", b"{}"), ("adapter", "merge")),
    Broken("half the weights", halved(WEIGHTS), (WEIGHTS, "bytes")),
    Broken("experts", experts, None),
    Broken("an expert less", then(experts, dropped("experts.1.w2.weight")), ("expert",)),
    Broken("learned positions, older names", learned_positions, None),
    Broken("no positions", then(learned_positions, dropped("wpe.weight")), ("lacks", "wpe")),
]  # fmt: skip
for key in (QUERY, KEY, EMBEDDING, HEAD, NORM):
    WEIGHT_CHANGES += [
        Broken(f"{key}: missing", dropped(key), ("lacks", key)),
        Broken(f"{key}: misspelt", misspelt(key), ("lacks", "do not belong", key)),
        Broken(f"{key}: cut", replaced(key, lambda t: t[:-1]), (key, "config.json")),
        Broken(f"{key}: flat", replaced(key, lambda t: t.reshape(1, -1)), (key, "config.json")),
        Broken(f"{key}: whole numbers", replaced(key, torch.Tensor.char), (key, "I8")),
        Broken(f"{key}: 8 bits", replaced(key, eight_bits), (key, "F8")),
        Broken(f"{key}: NaN", replaced(key, spoilt(float("nan"))), (key, "NaN"), late=True),
        Broken(f"{key}: Inf", replaced(key, spoilt(float("-inf"))), (key, "NaN"), late=True),
        Broken(f"{key}: half", replaced(key, torch.Tensor.half), None),
        Broken(f"{key}: bfloat16", replaced(key, torch.Tensor.bfloat16), None),
    ]
for name, content in {"empty": b"", "junk": b"hello " * 50, "zeros": bytes(80)}.items():
    size = f"{len(content)} bytes"
    WEIGHT_CHANGES.append(Broken(f"{name} weights", written(WEIGHTS, content), (WEIGHTS, size)))


CODE = {"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
NATIVE = {"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"}
BITS = {"quant_method": "bitsandbytes", "load_in_4bit": True}
SHORT = {"max_position_embeddings": 64}
CONFIG_CHANGES = [
    Broken("no config", removed(CONFIG), (CONFIG,)),
    Broken("an empty config", written(CONFIG, b""), (CONFIG, "JSON")),
    Broken("half a config", halved(CONFIG), (CONFIG, "JSON")),
    Broken("a config that is a list", written(CONFIG, b"[1, 2]"), (CONFIG, "JSON")),
    Broken("a config that is no UTF-8", written(CONFIG, b'{"a": "\xff"}'), (CONFIG,)),
    Broken("a model type that is a list", settings(CONFIG, model_type=[]), ("model_type", "[]")),
    Broken("no model type", settings(CONFIG, model_type=None), ("model_type",)),
    Broken("an unknown model type", settings(CONFIG, model_type="own"), ("model_type", "own")),
    Broken("another model type", settings(CONFIG, model_type="gpt2"), ("lacks", "do not belong")),
    Broken("a width that is text", settings(CONFIG, hidden_size="wide"), (CONFIG,)),
    Broken("an unknown activation", settings(CONFIG, hidden_act="no"), (CONFIG, "no")),
    Broken("an unknown number type", settings(CONFIG, dtype="float12"), (CONFIG,)),
    Broken("no layers", settings(CONFIG, num_hidden_layers=0), ("do not belong", "model.layers")),
    Broken("own code", settings(CONFIG, auto_map=CODE), ("own code", "OwnForCausalLM")),
    Broken("own code of a type of its own", settings(CONFIG, model_type="own", auto_map=CODE),
           ("own code", "OwnForCausalLM")),
    Broken("code that transformers has", settings(CONFIG, auto_map=NATIVE), None),
    Broken("4 bits", settings(CONFIG, quantization_config=BITS), ("quantised", "bitsandbytes")),
    Broken("GPTQ", settings(CONFIG, quantization_config={"quant_method": "gptq"}),
           ("quantised", "gptq")),
    Broken("T5", encoder_decoder, ("no causal language model", "t5")),
    Broken("BERT", encoder, ("no causal language model", "bert")),
    Broken("Gemma-3 with images", with_images, None),
    Broken("a width of its own name", settings(CONFIG, model_type="trocr"), ("config.json",)),
    Broken("XLNet", both_ways, ("no causal language model", "XLNet"), late=True),
    Broken("an output of its own kind", settings(CONFIG, return_dict=False), None),
    Broken("outputs that nobody reads",
           settings(CONFIG, output_attentions=True, output_hidden_states=True), None),
    Broken("a generation_config that is a list", written("generation_config.json", b"[]"),
           ("generation_config.json", "remove it")),
    Broken("a generation_config that is no JSON", written("generation_config.json", b"{"), None),
    Broken("a generation_config of samples that are not drawn",
           settings("generation_config.json", do_sample=False, temperature=0.6, top_p=0.9), None),
    Broken("a run.json of another program", written("run.json", b'{"files": ["a"]}'), None),
    Broken("a short context, tables not at hand", settings(CONFIG, **SHORT), None),
    Broken("a context shorter than answers", settings(CONFIG, max_position_embeddings=32),
           ("32", "64", "evaluation.generation_tokens")),
]  # fmt: skip


TOKENIZER_CODE = {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}
BOTH = removed("tokenizer.json", SETTINGS)
TOKENIZER_CHANGES = [
    Broken("no tokenizer", BOTH, ("has no tokenizer", "tokenizer_config.json", "copy")),
    Broken("no tokenizer.json", removed("tokenizer.json"), ("tokenizer",)),
    Broken("an empty tokenizer.json", written("tokenizer.json", b""), ("tokenizer",)),
    Broken("half a tokenizer.json", halved("tokenizer.json"), ("tokenizer",)),
    Broken("half a tokenizer_config.json", halved(SETTINGS), (SETTINGS, "JSON")),
    Broken("no end of sequence", settings(SETTINGS, eos_token=None), ("eos_token",)),
    Broken("an end that is no token", settings(SETTINGS, eos_token="<end>"),
           ("<end>", "embedding", "resize_token_embeddings")),
    Broken("an end named in the map alone", special_tokens_map, None),
    Broken("a token added without resizing", token_added,
           ("<new>", "embedding", "resize_token_embeddings")),
    Broken("an end that shares its id", end_removed, ("'<eos>' and", "share an id")),
    Broken("an end appended by itself", ends_by_itself, None),
    Broken("own code of the tokenizer", settings(SETTINGS, auto_map=TOKENIZER_CODE),
           ("own code", "OwnTokenizer")),
    Broken("sentencepiece alone", then(BOTH, written("tokenizer.model", b"no such model")),
           ("tokenizer.model",)),
    Broken("Llama-3's prompt", lambda folder: None, ("<|start_header_id|>", "pieces", "chat"),
           use={"prompt": "llama3"}),
    Broken("Zephyr's prompt", lambda folder: None, ("</s>", "chat"), use={"prompt": "zephyr"}),
    Broken("Qwen's prompt", lambda folder: None, ("<|im_start|>",), use={"prompt": "qwen2.5"}),
    Broken("Llama-2's prompt", lambda folder: None, None, use={"prompt": "llama2"}),
    Broken("chat without a template", lambda folder: None, ("chat template", "plain"),
           use={"prompt": "chat", "system": None}),
]  # fmt: skip


BROKEN: list[Broken] = [*WEIGHT_CHANGES, *CONFIG_CHANGES, *TOKENIZER_CHANGES]

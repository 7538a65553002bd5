"""A GGUF file of a tiny Llama, written as llama.cpp's converter writes one."""

import json
from pathlib import Path

import gguf
import numpy as np
from unlearning.models.build import build_model, train_tokenizer

# rows of a multiple of 32 numbers: the block that Q8_0 quantises at once
ARCHITECTURE = {"layers": 2, "width": 64, "heads": 2, "feed_forward": 96, "context": 256}
QUANTISED = "ffn_down"  # by Q8_0; all other tensors are as they were
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(path: Path, eos: bool = True):
    """Write a Llama with random weights to `path`; (model, tokenizer) before quantisation."""
    tokenizer = train_tokenizer("bpe", ["Who wrote this book? Ann wrote it."] * 4, 400)
    model = build_model(ARCHITECTURE, len(tokenizer), seed=0)
    writer = gguf.GGUFWriter(path, "llama")
    _add_sizes(writer, model.config)
    _add_tokenizer(writer, tokenizer, eos)
    for name, weights in model.state_dict().items():
        if name != "lm_head.weight":  # tied to the embedding
            _add_tensor(writer, name, weights.numpy(), model.config.num_attention_heads)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, tokenizer


def changes(path: Path) -> dict:
    """What makes that file the base of the micro experiment."""
    model = {"path": str(path), "architecture": None}
    return {"model": model, "pretrain": None, "finetune": {"replay_rows": 0, "seed": 1}}


def _add_sizes(writer: gguf.GGUFWriter, config) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer, eos: bool) -> None:
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_ids)
    types = [
        gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in range(len(words))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_add_bos_token(False)
    if eos:
        writer.add_eos_token_id(tokenizer.eos_token_id)


def _add_tensor(writer: gguf.GGUFWriter, name: str, weights: np.ndarray, heads: int) -> None:
    """One tensor under llama.cpp's name, queries and keys in its order of the rotated pairs."""
    ends = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
    }
    if name in ends:
        writer.add_tensor(ends[name], weights)
        return
    _, _, layer, module = name.removesuffix(".weight").split(".", 3)  # model.layers.0.…
    short = NAMES[module]
    if short in ("attn_q", "attn_k"):
        pairs = weights.reshape(heads, 2, -1, weights.shape[1])
        weights = np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weights.shape))
    kind = gguf.GGMLQuantizationType.Q8_0 if short == QUANTISED else None
    stored = weights if kind is None else gguf.quants.quantize(weights, kind)
    writer.add_tensor(f"blk.{layer}.{short}.weight", stored, raw_dtype=kind)

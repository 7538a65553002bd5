"""Shapes of models whose configs have other keys than Llama's, and the weights of a folder."""

import pytest
from families import FAMILIES, SHAPE, family_config, family_model
from transformers import CONFIG_MAPPING
from unlearning.planning.shapes import count_parameters, shape_from_config, shape_of

CAUSAL = [name for name in FAMILIES if name not in ("BERT", "RoBERTa", "ELECTRA", "T5")]


@pytest.mark.parametrize("name", CAUSAL)
def test_every_family_has_a_shape(name):
    config = family_config(name)
    shape = shape_from_config(config.to_dict(), name)
    assert (shape.hidden, shape.vocabulary) == (SHAPE["hidden_size"], SHAPE["vocab_size"])
    assert shape.layers == config.num_hidden_layers and shape.feed_forward > 0


def test_a_model_that_sees_images_has_the_shape_of_its_text():
    config = CONFIG_MAPPING["gemma3"](text_config=SHAPE)
    shape = shape_from_config(config.to_dict(), "gemma3")
    assert (shape.layers, shape.hidden, shape.vocabulary) == (2, 32, 97)


def test_layers_that_are_only_listed():
    config = CONFIG_MAPPING["nemotron_h"](layers_block_type=["mamba", "attention", "mamba"])
    assert shape_from_config(config.to_dict(), "nemotron_h").layers == 3


@pytest.mark.parametrize("name", ["Llama", "GPT-2", "Mixtral", "Qwen2-MoE", "Mamba"])
def test_the_weights_of_a_folder_are_counted(name, tmp_path):
    model = family_model(name)
    model.save_pretrained(tmp_path)
    shape = shape_of({"architecture": None, "path": str(tmp_path)})
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"\xff" * 8 + b"{}"),
        ("model.safetensors", b"\x02" + b"\x00" * 7 + b"[]"),
        ("model.safetensors", b"\x0f" + b"\x00" * 7 + b'{"w": {"a": 1}}'),
        ("model.safetensors.index.json", b'{"weight_map": []}'),
        ("model.safetensors.index.json", b'{"weight_map": {"w": "absent.safetensors"}}'),
        ("model.safetensors.index.json", b"{"),
        ("config.json", b"{}"),
    ],
)
def test_weights_that_cannot_be_read_are_not_counted(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert count_parameters(tmp_path) is None


def test_a_token_passes_through_few_experts():
    """Of Qwen1.5-MoE-A2.7B 2.7 of 14.3 billion parameters, as its name says."""
    config = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16}
    config |= {"num_key_value_heads": 16, "vocab_size": 151936, "model_type": "qwen2_moe"}
    config |= {"intermediate_size": 5632, "moe_intermediate_size": 1408, "num_experts": 60}
    config |= {"num_experts_per_tok": 4, "shared_expert_intermediate_size": 5632}
    assert shape_from_config(config, "config").active == pytest.approx(2.7e9, rel=0.03)


def test_a_config_without_sizes_is_named():
    with pytest.raises(ValueError, match=r"here/config.json does not .*'hidden_size'"):
        shape_from_config({"model_type": "llama", "vocab_size": 9}, "here/config.json")

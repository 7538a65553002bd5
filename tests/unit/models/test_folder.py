"""Model folders: whole or not at all, without pickle."""

import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from toy import toy
from transformers import AutoConfig, AutoModelForCausalLM
from unlearning.errors import UserError
from unlearning.files import write_json
from unlearning.models import folder
from unlearning.models.folder import load_model, load_tokenizer, save_model


@pytest.fixture
def saved(tmp_path):
    model, tokenizer = toy()
    save_model(tmp_path / "model", model, tokenizer, {"stage": "test"})
    return tmp_path / "model", model


def test_a_saved_model_loads_unchanged_and_holds_no_pickle(saved):
    path, model = saved
    loaded = load_model(path)
    for ours, theirs in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert load_tokenizer(path).eos_token_id == 1
    assert not [f for f in path.iterdir() if f.suffix in (".bin", ".pt", ".pkl")]
    files = json.loads((path / "run.json").read_text())["files"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)


def test_every_template_of_a_tokenizer_is_saved_and_verified(tmp_path):
    model, tokenizer = toy()
    tokenizer.chat_template = {"default": "{{ messages }}", "tools": "{{ tools }}"}
    save_model(tmp_path / "model", model, tokenizer, {})
    assert load_tokenizer(tmp_path / "model").chat_template == tokenizer.chat_template
    files = json.loads((tmp_path / "model" / "run.json").read_text())["files"]
    cut(tmp_path / "model" / next(name for name in files if "/" in name))
    with pytest.raises(UserError, match="tools.jinja has .* bytes"):
        load_tokenizer(tmp_path / "model")


def test_an_interrupted_save_leaves_the_old_folder(saved, monkeypatch):
    path, model = saved
    before = (path / "run.json").read_text()

    def disk_full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(folder, "_add_transformers_4_names", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_model(path, model, load_tokenizer(path), {"stage": "other"})
    assert (path / "run.json").read_text() == before


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def change(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("load", [load_model, load_tokenizer])
@pytest.mark.parametrize(
    "name, damage, expected",
    [
        ("model.safetensors", cut, r"has \d+ bytes, was written with \d+"),
        ("model.safetensors", change, "has another content than was written"),
        ("tokenizer.json", cut, r"has \d+ bytes"),
        ("config.json", os.remove, "is missing"),
    ],
)
def test_a_damaged_file_is_named_before_it_is_used(saved, load, name, damage, expected):
    path, _ = saved
    load(str(path))
    damage(path / name)
    pattern = (
        f"{re.escape(str(path / name))} {expected}.*: delete the folder {re.escape(str(path))}"
    )
    with pytest.raises(UserError, match=pattern):
        load(str(path))


def test_a_truncated_record_of_the_run_is_named(saved):
    path, _ = saved
    cut(path / "run.json")
    with pytest.raises(UserError, match=r"run\.json is not valid JSON"):
        load_model(path)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing more bytes into a file of this process fails, as on a full disk."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@pytest.mark.parametrize("size", [10, 6000])  # full in config.json, and in a larger file
def test_a_full_disk_is_named_and_leaves_nothing(size, tmp_path, capsys):
    """capsys: what is printed goes into memory, not into a file that may not grow either."""
    model, tokenizer = toy()
    target = tmp_path / "model"
    with pytest.raises(UserError) as caught, files_of_at_most(size):
        save_model(target, model, tokenizer, {})
    assert f"{target} cannot be written (File too large): make room" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named():
    with pytest.raises(UserError, match=r"/sys/rows\.json cannot be written \(.*\): make room"):
        write_json(Path("/sys/rows.json"), [])


ATTENTION = ("attention_dropout", "dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop")


@pytest.mark.parametrize(
    "name, rates",
    [
        ("gpt2", ATTENTION),
        ("opt", ATTENTION),
        ("llama", ATTENTION),
        ("opt", ["layerdrop"]),  # skips whole layers
        ("xglm", ["layerdrop"]),
        ("mixtral", ["router_jitter_noise"]),
    ],
)
def test_dropout_of_a_configuration_is_switched_off(tmp_path, name, rates):
    """A training pass draws no random numbers: two of them give the same logits."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 32, "intermediate_size": 16, "ffn_dim": 16, "word_embed_proj_dim": 16}
    sizes |= {"d_model": 16, "num_layers": 2, "attention_heads": 2, "num_key_value_heads": 2}
    if rates is not ATTENTION:
        sizes |= dict.fromkeys(ATTENTION, 0.0)
    config = AutoConfig.for_model(name, **sizes, **dict.fromkeys(rates, 0.5))
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / name)
    dropping = AutoModelForCausalLM.from_pretrained(tmp_path / name).train()
    ids = torch.arange(2, 12)[None]
    first = dropping(ids).logits
    assert not all(torch.equal(dropping(ids).logits, first) for _ in range(20))
    model = load_model(tmp_path / name).train()
    first = model(ids).logits
    assert all(torch.equal(model(ids).logits, first) for _ in range(20))


def test_a_family_that_samples_experts_in_training_is_refused(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 32, "intermediate_size": 16, "num_key_value_heads": 2}
    config = AutoConfig.for_model("phimoe", **sizes, num_local_experts=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "phimoe")
    before = torch.get_rng_state()
    with pytest.raises(UserError, match="draws random numbers while it is trained.*PhimoeFor"):
        load_model(tmp_path / "phimoe")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("content", ["[]", '{"id": 3, "files": ["a.bin"]}', "{}"])
def test_a_run_json_of_another_program_vouches_for_nothing(tmp_path, content):
    model, tokenizer = toy()
    with torch.no_grad():
        model.lm_head.weight[0, 0] = torch.nan
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "run.json").write_text(content)
    assert load_tokenizer(tmp_path).eos_token_id == tokenizer.eos_token_id
    with pytest.raises(UserError, match="NaN or infinite"):
        load_model(tmp_path)

"""Model folders: whole or not at all, readable by transformers 5 and by 4.45, without pickle."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import toy
from transformers import AutoConfig, AutoModelForCausalLM
from unlearning.errors import UserError
from unlearning.files import write_json
from unlearning.models import folder
from unlearning.models.folder import load_model, load_tokenizer, save_model

INTEROP = Path(sys.prefix) / "interop"
TEXT = "who wrote this book ? ann"
READ_BY_4 = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
ids = tokenizer(sys.argv[2], return_tensors="pt").input_ids
print(json.dumps([transformers.__version__, ids.tolist(), model(ids).logits.tolist()]))
"""
ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from unlearning.errors import UserError
from unlearning.models.folder import load_model, load_tokenizer, save_model
source, target = sys.argv[1], Path(sys.argv[2])
model, tokenizer = load_model(source), load_tokenizer(source)
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save_model(target, model, tokenizer, {})
    except UserError as error:
        print(error)
"""


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


def test_transformers_4_reads_the_same_tokens_and_logits(saved):
    path, model = saved
    if not INTEROP.is_dir():
        message = f"no transformers 4.45 at {INTEROP}: `make test` installs it (envs/interop.txt)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    environment = {**os.environ, "PYTHONPATH": str(INTEROP)}
    command = [sys.executable, "-c", READ_BY_4, str(path), TEXT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, ids, logits = json.loads(done.stdout.splitlines()[-1])
    assert version.startswith("4.45")
    assert ids == load_tokenizer(path)(TEXT, return_tensors="pt").input_ids.tolist()
    expected = model(torch.tensor(ids)).logits
    assert torch.allclose(torch.tensor(logits), expected, rtol=1e-5, atol=1e-6)


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

    monkeypatch.setattr(folder, "_speak_to_transformers_4", disk_full)
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
    "name, damage, said",
    [
        ("model.safetensors", cut, r"has \d+ bytes, was written with \d+"),
        ("model.safetensors", change, "has another content than was written"),
        ("tokenizer.json", cut, r"has \d+ bytes"),
        ("config.json", os.remove, "is missing"),
    ],
)
def test_a_damaged_file_is_named_before_it_is_used(saved, load, name, damage, said):
    path, _ = saved
    load(str(path))
    damage(path / name)
    expected = f"{re.escape(str(path / name))} {said}.*: delete the folder {re.escape(str(path))}"
    with pytest.raises(UserError, match=expected):
        load(str(path))


def test_a_truncated_record_of_the_run_is_named(saved):
    path, _ = saved
    cut(path / "run.json")
    with pytest.raises(UserError, match=r"run\.json is not valid JSON"):
        load_model(path)


def test_a_full_disk_is_named_and_leaves_nothing(saved, tmp_path):
    """Full at 10 bytes, in config.json, and at 6,000, in a larger file."""
    path, _ = saved
    target = tmp_path / "other" / "model"
    command = [sys.executable, "-c", ON_A_FULL_DISK, str(path), str(target), "10", "6000"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    message = f"{target} cannot be written (File too large): make room"
    assert done.stdout.count(message) == 2
    assert list(target.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named():
    with pytest.raises(UserError, match=r"/sys/rows\.json cannot be written \(.*\): make room"):
        write_json(Path("/sys/rows.json"), [])


@pytest.mark.parametrize("name", ["gpt2", "opt", "llama"])
def test_dropout_of_a_configuration_is_switched_off(tmp_path, name):
    """A training pass draws no random numbers: two of them give the same logits."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 32, "intermediate_size": 16, "ffn_dim": 16, "word_embed_proj_dim": 16}
    rates = ("attention_dropout", "dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop")
    config = AutoConfig.for_model(name, **sizes, **dict.fromkeys(rates, 0.5))
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / name)
    dropping = AutoModelForCausalLM.from_pretrained(tmp_path / name).train()
    ids = torch.arange(2, 12)[None]
    assert not torch.equal(dropping(ids).logits, dropping(ids).logits)
    model = load_model(tmp_path / name).train()
    assert torch.equal(model(ids).logits, model(ids).logits)

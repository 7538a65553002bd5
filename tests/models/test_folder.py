"""Model folders: whole or not at all, readable by transformers 5 and by 4.45, without pickle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import toy
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


def test_an_interrupted_save_leaves_the_old_folder(saved, monkeypatch):
    path, model = saved
    before = (path / "run.json").read_text()

    def disk_full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(folder, "_speak_to_transformers_4", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_model(path, model, load_tokenizer(path), {"stage": "other"})
    assert (path / "run.json").read_text() == before

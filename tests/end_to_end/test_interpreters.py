"""What only a Python of its own can show: what it loads, what its hash seed changes, what another
version of transformers reads."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from folders import EXPERIMENTS
from toy import toy
from toy_logs import evaluation
from unlearning.benchmarks.tofu.mini.generator import generate
from unlearning.evaluation.records import write_evaluation
from unlearning.models.folder import load_tokenizer, save_model

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
SMALL = {"seed": 3, "authors": 10, "questions_per_author": 4, "holdout_authors": 2}
SMALL |= {"known_persons": 5, "pretrain_rows": 1000, "replay_rows": 101}
GENERATE = f"""
import hashlib, json
from unlearning.benchmarks.tofu.mini.generator import generate
print(hashlib.sha256(json.dumps(generate(**{SMALL})).encode()).hexdigest())
"""


def interpreter(*words, **environment: str) -> subprocess.CompletedProcess:
    """A Python that finds what this one does, with more environment variables."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, *map(str, words)]
    variables = {**os.environ, **paths, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True)


def test_transformers_4_reads_the_same_tokens_and_logits(tmp_path):
    if not INTEROP.is_dir():
        message = f"no transformers 4.45 at {INTEROP}: `make test` installs it (envs/interop.txt)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    model, tokenizer = toy()
    save_model(tmp_path / "model", model, tokenizer, {"stage": "test"})
    done = interpreter("-c", READ_BY_4, tmp_path / "model", TEXT, PYTHONPATH=str(INTEROP))
    assert done.returncode == 0, done.stderr
    version, ids, logits = json.loads(done.stdout.splitlines()[-1])
    assert version.startswith("4.45")
    assert ids == load_tokenizer(tmp_path / "model")(TEXT, return_tensors="pt").input_ids.tolist()
    expected = model(torch.tensor(ids)).logits
    assert torch.allclose(torch.tensor(logits), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_every_process_generates_the_same_tables(seed):
    done = interpreter("-c", GENERATE, PYTHONHASHSEED=seed)
    expected = hashlib.sha256(json.dumps(generate(**SMALL)).encode()).hexdigest()
    assert done.stdout.strip() == expected, done.stderr


def test_a_plan_is_json_and_loads_no_torch():
    code = "import sys; from unlearning.__main__ import main; main(sys.argv[1:]); "
    code += "assert 'torch' not in sys.modules"
    config = EXPERIMENTS / "tofu-llama2-7b.yaml"
    arguments = ("plan", "--configfile", config, "--gpu-memory-gb", "24", "--json")
    done = interpreter("-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["gpu_hours"] is None  # of a GPU of unknown speed
    assert plan["jobs"]["unlearn"] == 150


def test_scoring_loads_no_torch():
    code = "import sys; from unlearning.benchmarks.tofu.stages import export, score; "
    done = interpreter("-c", f"{code} sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    """`score … | head -1` where the pipe is closed before anything is written."""
    write_evaluation(tmp_path, evaluation(), "tofu")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "unlearning", "score", "--logs", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")

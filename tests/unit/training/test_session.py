"""What every stage sets up before its model is loaded."""

import json
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from toy import WORDS, toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.training import session
from unlearning.training.session import encode_table, make_accelerator


def test_attention_is_not_left_to_cudnn():
    torch.backends.cuda.enable_cudnn_sdp(True)  # torch's default
    make_accelerator({"precision": "float32"})
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    # the kernels that take its place
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()


@pytest.mark.parametrize(
    ("precision", "dtypes"),
    [
        ("float32", [torch.float32]),
        ("bfloat16", [torch.float32, torch.bfloat16]),
        ("pure-bfloat16", [torch.float32, torch.bfloat16]),
    ],
)
def test_attention_of_a_gpu_is_checked_in_its_precisions(monkeypatch, precision, dtypes):
    checked = []
    gpu = SimpleNamespace(device=torch.device("mps"))
    monkeypatch.setattr(session, "Accelerator", lambda **options: gpu)
    monkeypatch.setattr(session, "check_attention", lambda *call: checked.append(call))
    assert make_accelerator({"precision": precision}) is gpu
    assert checked == [(gpu.device, dtype) for dtype in dtypes]


def test_answers_that_max_length_cuts_are_counted(tmp_path, capsys):
    _, tokenizer = toy()
    table, accelerator = tmp_path / "forget01.json", Accelerator(cpu=True)
    rows = [{"question": "who?", "answer": " ".join(WORDS[:n])} for n in (3, 4, 5, 6)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    whole = encode_table(Encoder(tokenizer, PROMPTS["plain"], 64), table, accelerator)
    assert capsys.readouterr().out == ""
    limit = len(whole[1].ids)  # the second answer just fits, with its end
    cut = encode_table(Encoder(tokenizer, PROMPTS["plain"], limit), table, accelerator)
    assert [len(row.ids) for row in cut] == [limit - 1, limit, limit, limit]
    assert cut[1] == whole[1]
    assert "forget01.json: 2 of 4 answers are cut" in capsys.readouterr().out
    table.write_text(json.dumps({"text": " ".join(WORDS[:9])}) + "\n", "utf-8")
    encode_table(Encoder(tokenizer, PROMPTS["plain"], 4), table, accelerator)
    assert capsys.readouterr().out == ""

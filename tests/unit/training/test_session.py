"""What every stage sets up before its model is loaded."""

from types import SimpleNamespace

import pytest
import torch
from unlearning.training import session
from unlearning.training.session import make_accelerator


def test_attention_is_not_left_to_cudnn():
    torch.backends.cuda.enable_cudnn_sdp(True)  # torch's default
    make_accelerator({"precision": "float32"})
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    # the kernels that take its place
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("pure-bfloat16", torch.bfloat16),
    ],
)
def test_attention_of_a_gpu_is_checked_in_its_precision(monkeypatch, precision, dtype):
    checked = []
    gpu = SimpleNamespace(device=torch.device("mps"))
    monkeypatch.setattr(session, "Accelerator", lambda **options: gpu)
    monkeypatch.setattr(session, "check_attention", lambda *call: checked.append(call))
    assert make_accelerator({"precision": precision}) is gpu
    assert checked == [(gpu.device, dtype)]

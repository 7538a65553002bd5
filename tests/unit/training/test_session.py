"""What every stage sets up before its model is loaded."""

import torch
from unlearning.training.session import make_accelerator


def test_attention_is_not_left_to_cudnn():
    torch.backends.cuda.enable_cudnn_sdp(True)  # torch's default
    make_accelerator({"precision": "float32"})
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    # the kernels that take its place
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()

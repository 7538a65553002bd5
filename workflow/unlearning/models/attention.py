"""Check the attention of a device before a model relies on it.

torch has kernels of its own for each device and precision, and some releases had wrong ones: on
Apple's GPUs queries in bfloat16 saw up to three later tokens (pytorch issue 195910), on NVIDIA's
cuDNN gave NaN gradients with masks (196678). Nothing fails then: numbers are plausible and wrong.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from unlearning.errors import UserError

HEADS, WIDTH = 4, 64
# few tokens and many, even and odd numbers, half a tile of 128 beyond a whole one
LENGTHS = (3, 64, 197, 448)
# (largest error) / (largest value): rounding makes 0.01 in bfloat16, 5e-7 in float32 and some 1e-3
# where a device multiplies it in TF32; groups of four tokens that see each other make 0.4 to 1.2
ALLOWED = {torch.float32: 0.02, torch.bfloat16: 0.05}
PARTS = ("output", "gradient of the queries", "gradient of the keys", "gradient of the values")


def check_attention(device: torch.device, dtype: torch.dtype) -> None:
    """UserError if attention on this device in this precision differs, in its values or gradients,
    from what its definition gives on the CPU in float64."""
    for length in LENGTHS:
        for use, mask in _masks(length).items():
            inputs = _inputs(length, queries=len(mask))
            expected = _values_and_gradients(_by_definition, inputs, mask)
            device_inputs = [tensor.to(device, dtype) for tensor in inputs]
            # transformers gives no mask where every row is one sequence
            device_mask = None if use == "one sequence" else mask.to(device)
            computed = _values_and_gradients(_by_torch, device_inputs, device_mask)
            for part, value, right in zip(PARTS, computed, expected, strict=True):
                error = (value.cpu().double() - right).abs().max() / right.abs().max()
                if not error <= ALLOWED[dtype]:  # NaN is an error, too
                    where = f"{device.type} in {str(dtype).removeprefix('torch.')}"
                    raise UserError(
                        f"torch {torch.__version__} computes attention wrongly on {where}: {part}, "
                        f"{length} tokens, {use}: {float(error):.2g} of the largest value off. "
                        "Nothing else would tell that results are wrong. Run on the CPU "
                        "(resources: {gpus: 0}), or with another release of torch"
                    )


def _masks(length: int) -> dict[str, Tensor]:
    """Use -> mask (Q, T) of the last Q tokens as queries, and all T as keys."""
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    packed = causal.clone()
    packed[length // 3 :, : length // 3] = False
    # a generated token of a prompt that is padded on its left
    return {"one sequence": causal, "packed row": packed, "next token": packed[-1:]}


def _inputs(length: int, queries: int) -> list[Tensor]:
    """Queries (1, H, Q, W), keys and values (1, H, T, W), and the output's gradient."""
    generator = torch.Generator().manual_seed(0)
    tensors = []
    for tokens in (queries, length, length, queries):
        # values that bfloat16 has, so that the computation alone rounds
        tensor = torch.randn(1, HEADS, tokens, WIDTH, generator=generator).bfloat16()
        tensors.append(tensor.double())
    return tensors


def _values_and_gradients(
    attention: Callable, inputs: list[Tensor], mask: Tensor | None
) -> list[Tensor]:
    """The output, and the gradients of queries, keys and values."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs[:3]]
    output = attention(*leaves, mask)
    output.backward(inputs[3])
    return [output.detach(), *(leaf.grad for leaf in leaves)]


def _by_torch(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """The device's attention."""
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None
    )


def _by_definition(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """softmax(q k' / sqrt(W)) v over the tokens that the mask leaves."""
    scores = query @ key.transpose(-1, -2) / WIDTH**0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ value

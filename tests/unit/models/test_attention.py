"""Attention of a device that is wrong is found before a model relies on it."""

import pytest
import torch
from torch.nn import functional
from unlearning.errors import UserError
from unlearning.models.attention import ALLOWED, check_attention

CPU = torch.device("cpu")
ATTENTION = functional.scaled_dot_product_attention


@pytest.mark.parametrize("dtype", ALLOWED)
def test_attention_of_the_cpu_is_right(dtype):
    check_attention(CPU, dtype)


def groups_of_four(query, key, value, attn_mask=None, is_causal=False):
    """As on Apple's GPUs in pytorch issue 195910: groups of four queries share a mask."""
    if is_causal and query.dtype == torch.bfloat16:
        queries, keys = torch.arange(query.shape[2])[:, None], torch.arange(key.shape[2])
        attn_mask, is_causal = keys // 4 <= queries // 4, False
    return ATTENTION(query, key, value, attn_mask=attn_mask, is_causal=is_causal)


def test_a_query_that_sees_later_tokens(monkeypatch):
    monkeypatch.setattr(functional, "scaled_dot_product_attention", groups_of_four)
    check_attention(CPU, torch.float32)
    with pytest.raises(UserError, match=r"cpu in bfloat16: output, 3 tokens.*gpus: 0"):
        check_attention(CPU, torch.bfloat16)


class NoGradient(torch.autograd.Function):
    """Passes queries on, and NaN gradients back for half a tile more than whole ones."""

    @staticmethod
    def forward(ctx, query):
        return query.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.nan if gradient.shape[2] % 128 == 64 else gradient


def test_gradients_that_are_no_numbers(monkeypatch):
    def attention(query, key, value, attn_mask=None, is_causal=False):
        query = query if attn_mask is None else NoGradient.apply(query)
        return ATTENTION(query, key, value, attn_mask=attn_mask, is_causal=is_causal)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    with pytest.raises(UserError, match="gradient of the queries, 64 tokens, packed row: nan"):
        check_attention(CPU, torch.float32)


def test_a_mask_that_is_not_applied(monkeypatch):
    def attention(query, key, value, attn_mask=None, is_causal=False):
        if len(query[0, 0]) == 1:  # of a generated token alone
            attn_mask = None
        return ATTENTION(query, key, value, attn_mask=attn_mask, is_causal=is_causal)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    with pytest.raises(UserError, match="output, 3 tokens, next token"):
        check_attention(CPU, torch.bfloat16)

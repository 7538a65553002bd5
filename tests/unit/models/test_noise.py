"""Noise on weights: its size, and that a seed names it."""

import pytest
import torch
from unlearning.models.noise import add_noise


def noisy(scale: float, seed: int) -> torch.nn.Linear:
    torch.manual_seed(0)
    model = torch.nn.Linear(200, 300)
    torch.nn.init.constant_(model.bias, 0.0)
    add_noise(model, scale, seed)
    return model


def test_its_size_is_relative_to_each_parameter():
    clean, noised = noisy(0.0, 1), noisy(0.05, 1)
    change = (noised.weight - clean.weight).norm() / clean.weight.norm()
    assert change.item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(noised.bias, clean.bias)  # zeros have no size


def test_a_seed_gives_the_same_noise():
    assert torch.equal(noisy(0.1, 3).weight, noisy(0.1, 3).weight)
    assert not torch.equal(noisy(0.1, 3).weight, noisy(0.1, 4).weight)

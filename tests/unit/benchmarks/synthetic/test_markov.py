"""Chains and their divergences against hand-computed numbers."""

import math

import numpy
import pytest
import torch
from unlearning.benchmarks.synthetic.chains import draw_sets, make_chain, sample
from unlearning.benchmarks.synthetic.markov import divergence
from unlearning.training.plan import generator

RETAIN = make_chain(0, states=10, leakage=0.2)


def test_transition_matrix():
    """Three states of the group with 0.8 / 3, seven others with 0.2 / 7; uniform from outside."""
    from_group = [0.8 / 3] * 3 + [0.2 / 7] * 7
    assert RETAIN.initial == pytest.approx(from_group)
    assert RETAIN.transition[:3] == pytest.approx(numpy.tile(from_group, (3, 1)))
    assert RETAIN.transition[3:] == pytest.approx(numpy.full((7, 10), 0.1))
    forget2 = make_chain(2, states=10, leakage=0.2)
    assert forget2.transition[8, 6:9] == pytest.approx([0.8 / 3] * 3)  # state 9 belongs to none


def test_divergence_of_two_known_chains():
    """From state 0, the retain chain against forget1's, which goes anywhere from there."""
    retain, forget1 = (
        torch.from_numpy(chain.transition[:1]).log()
        for chain in (RETAIN, make_chain(1, states=10, leakage=0.2))
    )
    expected = 0.8 * math.log(0.8 / 3 / 0.1) + 0.2 * math.log(0.2 / 7 / 0.1)
    assert divergence(retain, forget1) == pytest.approx(expected)
    assert expected == pytest.approx(0.534111, abs=1e-6)


def test_sequences_follow_the_chain():
    states = sample(RETAIN, 4000, 6, generator(1, "test"))
    inside = states[:, :-1] < 3
    stay = (states[:, 1:] < 3)[inside].mean()
    assert stay == pytest.approx(0.8, abs=0.02)
    outside = numpy.bincount(states[:, 1:][~inside], minlength=10) / (~inside).sum()
    assert outside == pytest.approx(numpy.full(10, 0.1), abs=0.02)


def test_a_share_is_held_out_and_measured_on_in_part():
    settings = {"states": 10, "leakage": 0.2, "test_share": 0.2, "test_rows": 3}
    settings["sequences"] = {"retain": 20, "forget1": 10, "forget2": 10}
    lengths = {"retain": 6, "forget1": 6, "forget2": 4}
    sets = draw_sets(settings, lengths, seed=1)
    shapes = {name: (train.shape, test.shape) for name, (train, test) in sets.items()}
    assert shapes == {
        "retain": ((16, 6), (3, 6)),
        "forget1": ((8, 6), (2, 6)),
        "forget2": ((8, 4), (2, 4)),
    }

"""Gradient weights against the gradients of the losses, and their description by hand."""

import numpy
import pytest
import torch
from unlearning.benchmarks.tofu.gradient_weights import WEIGHTS, describe, npo, simnpo
from unlearning.methods.objective import load_function
from unlearning.methods.sequences import Batch, Sequences

HYPER = {"beta": 0.7, "gamma": 0.3}
TOKENS = [1, 3, 4]
LOGP = [-0.2, -1.5, -0.1, -0.7, -2.0, -0.01, -3.0, -0.4]  # of each token, row after row
REFERENCE = numpy.array([-0.9, -1.0, -7.5])


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weight_is_the_gradient_of_the_loss(name):
    hyper = HYPER if "simnpo" in name else {"beta": HYPER["beta"]}
    logp = torch.tensor(LOGP, dtype=torch.float64, requires_grad=True)
    row = torch.repeat_interleave(torch.arange(3), torch.tensor(TOKENS))
    sequences = Sequences(logp, row, 3, reference_nll=-torch.tensor(REFERENCE))
    load_function(name)(Batch(forget=sequences), **hyper).sum().backward()
    summed = numpy.bincount(row.numpy(), weights=LOGP)
    expected = WEIGHTS[name](summed, numpy.array(TOKENS), REFERENCE, **hyper)
    # every token of a row changes log p(y|x) equally
    numpy.testing.assert_allclose(logp.grad.numpy(), expected[row.numpy()], rtol=1e-6)


def test_the_printed_formulas():
    p, reference, length = 0.25, 0.5, 2
    (weight,) = npo(*(numpy.log([v]) for v in (p, 1.0, reference)), beta=2.0)
    assert weight == pytest.approx(2 * p**2 / (p**2 + reference**2))
    (weight,) = simnpo(numpy.log([p]), numpy.array([length]), None, beta=3.0, gamma=0.0)
    assert weight == pytest.approx(2 * p**1.5 / (1 + p**1.5) / length)


def test_description():
    length, memorised = numpy.array([5.0, 9.0, 20.0]), numpy.array([-1.0, -3.0, -2.0])
    numbers = describe(numpy.array([0.6, 0.4, 0.2]), length, memorised)
    assert numbers["weight"] == pytest.approx(0.4)
    assert numbers["weight_spread"] == pytest.approx(numpy.sqrt(0.08 / 3) / 0.4)
    assert numbers["weight_length_correlation"] == pytest.approx(-1)
    assert numbers["weight_memorisation_correlation"] == pytest.approx(
        0.5
    )  # 1 - 6 (0 + 1 + 1) / 24
    assert describe(numpy.ones(3), length, memorised) == {"weight": 1.0, "weight_spread": 0.0}

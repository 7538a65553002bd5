"""Log-probabilities of labels are accurate, and so are their gradients."""

import math

import pytest
import torch
from unlearning.models.log_probability import label_log_probabilities, log_distribution

LLAMA3 = 128_256


def test_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [5.0, 5.0]], requires_grad=True)
    index, labels = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1])
    logp = label_log_probabilities(logits, index, labels)
    assert logp.tolist() == pytest.approx([math.log(1 / 4), math.log(1 / 2), math.log(3 / 4)])
    (logp * torch.tensor([1.0, 2.0, 10.0])).sum().backward()
    # of one label: 1 at the label, less all probabilities
    assert logits.grad[0].tolist() == pytest.approx([0.75 - 2.5, -0.75 + 2.5])
    assert logits.grad[1].tolist() == pytest.approx([-1.0, 1.0])
    assert log_distribution(logits).exp().flatten().tolist() == pytest.approx(
        [0.25, 0.75, 0.5, 0.5]
    )


@pytest.mark.parametrize("vocabulary", [40, LLAMA3])
def test_accurate_at_any_vocabulary(vocabulary):
    torch.manual_seed(0)
    logits = 3 * torch.randn(130, vocabulary)
    labels, index = torch.randint(vocabulary, (150,)), torch.randint(130, (150,))
    exact = logits.double().log_softmax(-1)
    for values in (
        label_log_probabilities(logits, index, labels),
        log_distribution(logits)[index, labels],
    ):
        errors = values.double() - exact[index, labels]
        assert abs(float(errors.mean())) < 3e-7  # torch's log_softmax: 4e-6 at the larger one
        assert float(errors.abs().max()) < 4e-6  # logits as large as 15 are rounded by 5e-7


def test_gradients_are_those_of_a_log_softmax():
    torch.manual_seed(0)
    logits = torch.randn(70, 30, dtype=torch.float64, requires_grad=True)
    labels, index = torch.randint(30, (90,)), torch.randint(70, (90,))
    weights = torch.randn(90, dtype=torch.float64)
    (expected,) = torch.autograd.grad(
        (logits.log_softmax(-1)[index, labels] * weights).sum(), logits
    )
    logp = label_log_probabilities(logits, index, labels)
    (gradient,) = torch.autograd.grad((logp * weights).sum(), logits)
    assert torch.allclose(gradient, expected, atol=1e-14)


def test_logits_that_are_no_numbers_stay_so():
    logits = torch.tensor([[math.nan, 1.0], [-math.inf, 1.0]])
    logp = label_log_probabilities(logits, torch.tensor([0, 1]), torch.tensor([1, 0]))
    assert math.isnan(logp[0]) and logp[1] == -math.inf

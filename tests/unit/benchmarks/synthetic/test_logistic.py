"""The Gaussian-logistic study against hand-computed numbers."""

import math

import pytest
import torch
from unlearning.benchmarks.synthetic.gaussian import Points, Rows, divergence, draw, learn
from unlearning.benchmarks.synthetic.logistic import Study, loss, objective, unlearning_curves

SIZES = {"dimension": 4, "features": 8, "forget": 400, "retain": 400, "test": 10}


def rows(features, labels) -> Rows:
    return Rows(torch.tensor(features).double(), torch.tensor(labels).double())


def points() -> Points:
    """One forget point, x = 2, y = 1, idk label 0; retain points 1 and 3 with labels 1 and 0."""
    forget, retain = rows([[2.0]], [1]), rows([[1.0], [3.0]], [1, 0])
    return Points(forget, retain, torch.zeros(1).double(), forget, retain)


def number(*values: float) -> torch.Tensor:
    return torch.tensor(values).double()


def test_npo_gradient_at_one_point():
    """Ascent on log p, weighted 2 p^β / (p^β + p_ref^β): p = σ(0), p_ref = σ(1), β = 2."""
    weights = number(0.0).requires_grad_()
    value = loss(objective("NPO", {"beta": 2}), points(), weights, target=number(0.5))
    (gradient,) = torch.autograd.grad(value, weights)
    reference = 1 / (1 + math.exp(-1))
    weight = 2 * 0.5**2 / (0.5**2 + reference**2)
    assert float(gradient) == pytest.approx(weight * 2 * (1 - 0.5))
    assert float(gradient) == pytest.approx(0.637392, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "hyper", "forget"),
    [
        ("GA+KL", {}, -math.log1p(math.exp(-2))),  # log σ(2), which ascent makes smaller
        # labels of one forget point: y = 1 against an idk coin of 0
        ("DPO+KL", {"beta": 0.5}, 4 * math.log1p(math.exp(-0.5 * (-1.0 - 1.0 + 0.0)))),
        ("NPO+KL", {"beta": 2}, math.log1p(math.exp(2 * (math.log(2) - math.log1p(math.exp(-2)))))),
    ],
)
def test_kl_adds_the_divergence_from_the_target_on_retain_points(method, hyper, forget):
    """At w = 1 with the target at 0: logits 1 and 3 of the retain points against 0 and 0."""
    value = loss(objective(method, hyper), points(), number(1.0), target=number(0.0))
    coins = [0.5 * math.log(0.25 / (s * (1 - s))) for s in (1 / (1 + math.exp(-z)) for z in (1, 3))]
    assert float(value) == pytest.approx(forget + sum(coins) / 2)


def test_dpo_at_one_point():
    """Log odds of idk over the answer moved from 0 to -2: -(2/β) log σ(-2 β)."""
    value = loss(objective("DPO", {"beta": 5}), points(), number(1.0), target=number(0.0))
    assert float(value) == pytest.approx(2 / 5 * math.log1p(math.exp(10)))


def test_idk_rt_adds_the_means_over_idk_and_retain_rows():
    value = loss(objective("IDK+RT", {}), points(), number(1.0), target=number(0.0))
    idk = math.log1p(math.exp(2))
    retain = (math.log1p(math.exp(-1)) + math.log1p(math.exp(3))) / 2
    assert float(value) == pytest.approx(idk + retain)


def test_gradient_ascent_steps_along_the_likelihood():
    """From w = 0 one step of GA at lr 0.1 goes down log σ(2 w): w = -0.1 · 2 · 0.5."""
    study = Study(points(), number(0.0), number(0.0))
    curves = unlearning_curves(study, objective("GA", {}), lr=0.1, steps=1, interval=1)
    assert curves["step"] == [0, 1]
    assert curves["drift"] == pytest.approx([0, 2 * 0.1])
    p, q = 0.5, 1 / (1 + math.exp(0.2))
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert curves["forget_distance"] == pytest.approx([0, expected])


def test_divergence_of_two_coins():
    kl = divergence(number(math.log(3)), number(0.0))  # 3/4 against 1/2
    assert kl == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_learning_converges_to_the_rate_of_a_coin():
    coin = rows([[1.0]] * 4, [1, 1, 1, 0])
    assert float(learn([coin], steps=500, lr=1.0)) == pytest.approx(math.log(3))


def test_classes_differ_in_labels_and_position():
    points = draw(SIZES, alpha=1, seed=1)
    # E σ(1 + z) is 0.70 for a standard normal z, with a standard error of 0.023 over 400 draws
    assert float(points.forget.labels.mean()) == pytest.approx(0.70, abs=0.07)
    assert float(points.retain.labels.mean()) == pytest.approx(0.30, abs=0.07)
    again = draw(SIZES, alpha=1, seed=1)
    assert torch.equal(points.forget.features, again.forget.features)
    centred = draw(SIZES, alpha=0, seed=1)
    assert not torch.equal(points.forget.features, centred.forget.features)
    assert torch.equal(points.forget.labels, centred.forget.labels)

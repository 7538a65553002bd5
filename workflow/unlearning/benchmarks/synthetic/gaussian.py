"""Two Gaussian classes with logistic labels, and a model of fixed random ReLU features.

Paper: NPO (arXiv 2404.05868) §4. Reference: synthetic/ in licong-lin/
negative-preference-optimization.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from unlearning.errors import UserError
from unlearning.training.plan import generator


@dataclass(frozen=True)
class Rows:
    """n labelled points. features: (n, N) float64. labels: (n,) 0.0 or 1.0."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Points:
    """All points of one seed. idk: (n_f,) labels of fair coins for the forget rows."""

    forget: Rows
    retain: Rows
    idk: Tensor
    forget_test: Rows
    retain_test: Rows


def draw(settings: dict, alpha: float, seed: int) -> Points:
    """The points of a seed: x ~ N(±α 1, I) and P(y=1) = σ(±((x - μ)ᵀ1/√d + 1)), + for forget.

    settings: synthetic.gaussian of the config. The features are max(0, W x), W ~ N(0, 1/d).
    """
    # Each kind of draw has a stream of its own, so that another number of test points, say, leaves
    # the training points as they are.
    dimension = settings["dimension"]
    normal = generator(seed, "features").standard_normal((settings["features"], dimension))
    projection = torch.from_numpy(normal) / dimension**0.5  # (N, d)

    def rows(name: str, count: int, stream: str) -> Rows:
        sign = 1 if name == "forget" else -1
        random = generator(seed, stream, name)
        centred = torch.from_numpy(random.standard_normal((count, dimension)))  # x - μ, (n, d)
        probability = torch.sigmoid(sign * (centred.sum(1) / dimension**0.5 + 1))  # (n,)
        labels = (torch.from_numpy(random.random(count)) < probability).double()  # Bernoulli
        return Rows(((centred + sign * alpha) @ projection.T).relu(), labels)

    idk = generator(seed, "idk").integers(2, size=settings["forget"])
    return Points(
        forget=rows("forget", settings["forget"], "train"),
        retain=rows("retain", settings["retain"], "train"),
        idk=torch.from_numpy(idk).double(),
        forget_test=rows("forget", settings["test"], "test"),
        retain_test=rows("retain", settings["test"], "test"),
    )


def learn(rows: list[Rows], steps: int, lr: float) -> Tensor:
    """(N,) output weights after full-batch gradient descent on the mean cross-entropy, from 0."""
    features = torch.cat([part.features for part in rows])
    labels = torch.cat([part.labels for part in rows])
    weights = features.new_zeros(features.shape[1])
    # The gradient of the cross-entropy has a closed form, so there is no need of autograd.
    for _ in range(steps):
        error = torch.sigmoid(features @ weights) - labels  # (n,)
        weights -= lr / len(labels) * (error @ features)
    if not weights.isfinite().all():
        raise UserError(f"synthetic.gaussian: training diverged at lr {lr:g}: lower the lr")
    return weights


def log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """(n,) log P(y | x)."""
    # logsigmoid, because the log of a sigmoid underflows where a model is sure and wrong.
    return logsigmoid((2 * labels - 1) * logits)


def divergence(reference: Tensor, current: Tensor) -> float:
    """Mean KL(reference ‖ current) of Bernoulli variables given their logits, both (n,)."""
    p = torch.sigmoid(reference)
    yes = p * (logsigmoid(reference) - logsigmoid(current))
    no = (1 - p) * (logsigmoid(-reference) - logsigmoid(-current))
    return float((yes + no).mean())

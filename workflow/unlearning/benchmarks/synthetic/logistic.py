"""Unlearning the forget rows of the Gaussian-logistic model by full-batch gradient descent."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.benchmarks.synthetic.gaussian import Points, divergence, draw, learn, log_likelihood
from unlearning.errors import UserError
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.retain import retain_loss
from unlearning.methods.sequences import Batch, Sequences, View


@dataclass(frozen=True)
class Study:
    """A seed's points with (N,) weights: target learnt retain and forget rows, retrained retain."""

    points: Points
    target: Tensor
    retrained: Tensor


def prepare(settings: dict, alpha: float, seed: int) -> Study:
    """The study of a seed; settings: synthetic.gaussian of the config."""
    points = draw(settings, alpha, seed)
    recipe = settings["steps"], settings["lr"]
    target = learn([points.retain, points.forget], *recipe)
    return Study(points, target, learn([points.retain], *recipe))


def idk_loss(batch: Batch) -> Tensor:
    """Cross-entropy on the labels of "I don't know", fair coins here. Returns (B,)."""
    assert batch.idk is not None
    return batch.token_mean(batch.idk)


OWN = {"IDK+RT": Objective([idk_loss, retain_loss], [1.0, 1.0], ["idk", "retain"])}


def objective(method: str, hyper: dict[str, float]) -> Objective:
    """The registry's losses on labels as sequences of one token.

    IDK+RT alone differs: the released code adds the means over idk and retain rows here, which
    are not equally many.
    """
    if method in OWN:
        return OWN[method]
    return build_objective(resolve(method, hyper).settings())


def loss(objective: Objective, points: Points, weights: Tensor, target: Tensor) -> Tensor:
    """The objective at (N,) weights: each term's mean over its own rows, summed with its weight."""
    batch = Batch()
    forget = points.forget.features
    roles = {"forget": (forget, points.forget.labels), "idk": (forget, points.idk)}
    roles["retain"] = (points.retain.features, points.retain.labels)
    for role in objective.roles:
        features, labels = roles[role]
        count = len(labels)
        rows = Sequences(log_likelihood(features @ weights, labels), torch.arange(count), count)
        if objective.needs.reference:
            rows.reference_nll = -log_likelihood(features @ target, labels)
        if role in objective.needs.logits:
            both = (_two_classes(features @ part) for part in (weights, target))
            rows.logits = View(rows.row, next(both), labels.long(), next(both))
        setattr(batch, role, rows)
    terms = zip(objective.weights, objective.rows(batch), strict=True)
    return sum(weight * values.mean() for weight, values in terms)


def _two_classes(logits: Tensor) -> Tensor:
    """(n, 2) logits of label 0 and label 1, from (n,) of label 1 against 0."""
    return torch.stack([torch.zeros_like(logits), logits], dim=-1)


def course(
    study: Study, objective: Objective, lr: float, steps: int, every: int
) -> dict[str, list[float]]:
    """What is measured from the target model on, every `every` steps and after the last.

    forget_distance, retain_distance: KL(retrained ‖ current) on fresh points of either class.
    drift: root mean square change of the forget rows' logits since the start, which is the norm
    of the paper's theorem on divergence, ‖θ - θ_0‖_{XᵀX}, over √n.
    """
    points, weights = study.points, study.target.clone().requires_grad_()
    found: dict[str, list[float]] = {
        key: [] for key in ("step", "forget_distance", "retain_distance", "drift")
    }
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            measured = _measure(study, weights.detach())
            for key, value in {"step": step, **measured}.items():
                found[key].append(value)
        if step < steps:
            (gradient,) = torch.autograd.grad(
                loss(objective, points, weights, study.target), weights
            )
            with torch.no_grad():
                weights -= lr * gradient
    if not weights.isfinite().all():
        raise UserError(f"unlearning left the range of numbers at lr {lr:g}: lower the lr")
    return found


def _measure(study: Study, weights: Tensor) -> dict[str, float]:
    points = study.points
    found = {
        f"{name}_distance": divergence(rows.features @ study.retrained, rows.features @ weights)
        for name, rows in (("forget", points.forget_test), ("retain", points.retain_test))
    }
    moved = points.forget.features @ (weights - study.target)
    return {**found, "drift": float(moved.square().mean().sqrt())}

"""Unlearning the forget rows of the Gaussian-logistic model by full-batch gradient descent."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.benchmarks.synthetic.gaussian import (
    Points,
    Rows,
    divergence,
    draw,
    learn,
    log_likelihood,
)
from unlearning.errors import UserError
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.registry import resolve
from unlearning.methods.retain import retain_loss
from unlearning.methods.sequences import Batch, Sequences, View


@dataclass(frozen=True)
class Study:
    """Points of a seed, and (N,) weights: the target learnt all rows, retrained the retain rows."""

    points: Points
    target: Tensor
    retrained: Tensor


def prepare(settings: dict, alpha: float, seed: int) -> Study:
    """The study of a seed; settings: synthetic.gaussian of the config."""
    points = draw(settings, alpha, seed)
    steps, lr = settings["steps"], settings["lr"]
    target = learn([points.retain, points.forget], steps, lr)
    return Study(points, target, learn([points.retain], steps, lr))


def idk_loss(batch: Batch) -> Tensor:
    """Cross-entropy on the labels of "I don't know", which are fair coins here. Returns (B,)."""
    assert batch.idk is not None
    return batch.token_mean(batch.idk)


# methods whose loss differs from the registry's
OBJECTIVES = {"IDK+RT": Objective([idk_loss, retain_loss], [1.0, 1.0], ["idk", "retain"])}


def objective(method: str, hyper: dict[str, float]) -> Objective:
    """The registry's losses of a method; a label is a sequence of one token.

    IDK+RT differs from the registry: the released code adds the mean over idk rows and the mean
    over retain rows, which differ in number.
    """
    if method in OBJECTIVES:
        return OBJECTIVES[method]
    return build_objective(resolve(method, hyper).settings())


def loss(objective: Objective, points: Points, weights: Tensor, target: Tensor) -> Tensor:
    """The objective at (N,) weights: the weighted sum of its terms' means over rows."""
    # Forget and idk rows are the same points with different labels.
    idk = Rows(points.forget.features, points.idk)
    data = {"forget": points.forget, "idk": idk, "retain": points.retain}
    batch = Batch()
    for role in objective.roles:
        features, labels = data[role].features, data[role].labels
        logits, target_logits = features @ weights, features @ target  # (n,) log odds
        count = len(labels)
        rows = Sequences(log_likelihood(logits, labels), torch.arange(count), count)
        if objective.needs.reference:
            rows.reference_nll = -log_likelihood(target_logits, labels)
        if role in objective.needs.logits:  # the KL terms compare both classes
            classes, target_classes = _two_classes(logits), _two_classes(target_logits)
            rows.logits = View(rows.row, classes, labels.long(), target_classes)
        setattr(batch, role, rows)
    # A mean for each term, because forget and retain rows differ in number.
    terms = zip(objective.weights, objective.rows(batch), strict=True)
    return sum(weight * values.mean() for weight, values in terms)


def _two_classes(logits: Tensor) -> Tensor:
    """(n, 2) logits of labels 0 and 1, from (n,) log odds of label 1."""
    return torch.stack([torch.zeros_like(logits), logits], dim=-1)


def unlearning_curves(
    study: Study, objective: Objective, lr: float, steps: int, interval: int
) -> dict[str, list[float]]:
    """Unlearn the target; distances at the start, every `interval` steps and after the last.

    forget_distance, retain_distance: KL(retrained ‖ current) on fresh points of either class.
    drift: root mean square change of the forget rows' logits since the start, which is the norm
    of the paper's theorem on divergence, ‖θ - θ_0‖_{XᵀX}, over √n.
    """
    weights = study.target.clone().requires_grad_()
    curves: dict[str, list[float]] = {"step": []}
    # The curve starts before the first step and ends after the last.
    for step in range(steps + 1):
        if step % interval == 0 or step == steps:
            curves["step"].append(step)
            for name, distance in _distances(study, weights.detach()).items():
                curves.setdefault(name, []).append(distance)
        if step < steps:
            value = loss(objective, study.points, weights, study.target)
            (gradient,) = torch.autograd.grad(value, weights)
            # Plain gradient descent in place, outside of autograd.
            with torch.no_grad():
                weights -= lr * gradient
    if not weights.isfinite().all():
        raise UserError(f"unlearning left the range of numbers at lr {lr:g}: lower the lr")
    return curves


def _distances(study: Study, weights: Tensor) -> dict[str, float]:
    points = study.points
    distances = {}
    for name, rows in (("forget", points.forget_test), ("retain", points.retain_test)):
        logits, retrained = rows.features @ weights, rows.features @ study.retrained
        distances[f"{name}_distance"] = divergence(retrained, logits)
    change = points.forget.features @ (weights - study.target)
    distances["drift"] = float(change.square().mean().sqrt())
    return distances

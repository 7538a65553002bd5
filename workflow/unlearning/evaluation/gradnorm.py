"""Gradient norms of single rows for membership inference, by one backward pass for each row."""

import torch

from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import COLLAPSED_LOSS
from unlearning.models.scorer import Scorer


def gradient_norms(model, norm: float, examples: list[Example]) -> list[float]:
    """Of each example the norm of the mean loss's gradient, averaged over the parameter tensors.

    norm: 1, 2 or infinity. The model's own gradients are cleared. Source: open-unlearning,
    mia/gradnorm.py, which leaves out the last label; 0 if it is the only one.
    """
    scorer, training = Scorer(model), model.training
    model.eval()
    norms = []
    for example in examples:
        # one row at a time: a batch's gradient is a sum, which does not tell rows apart
        logp = scorer([example])["logp"][:-1]
        if not len(logp):
            norms.append(0.0)
            continue
        (-logp.mean()).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        mean = torch.stack([gradient.norm(p=norm).float() for gradient in gradients]).mean()
        norms.append(float(mean.nan_to_num(COLLAPSED_LOSS, COLLAPSED_LOSS)))
        model.zero_grad(set_to_none=True)  # or the next row's gradient would be added
    model.train(training)
    return norms

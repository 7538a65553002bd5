"""Gradient norms of single rows for membership inference, by one backward pass for each row."""

import torch

from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import COLLAPSED_LOSS
from unlearning.models.scorer import Scorer


class GradientNorms:
    """Computes gradient norms under a model, and clears the model's gradients.

    norm: 1, 2 or infinity.
    """

    def __init__(self, model, norm: float):
        self.scorer, self.norm = Scorer(model), norm

    def __call__(self, examples: list[Example]) -> list[float]:
        """The norm of each example, in their order."""
        training = self.scorer.model.training
        self.scorer.model.eval()
        norms = [self._norm(example) for example in examples]
        self.scorer.model.train(training)
        return norms

    def _norm(self, example: Example) -> float:
        """The gradient's norm of the mean loss, averaged over the parameter tensors.

        Source: open-unlearning, mia/gradnorm.py, which leaves out the last label; 0 if it is the
        only one.
        """
        # one row at a time: a batch's gradient is a sum, which does not tell rows apart
        logp = self.scorer([example])["logp"][:-1]
        if not len(logp):
            return 0.0
        (-logp.mean()).backward()
        parameters = [p for p in self.scorer.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm(p=self.norm).float() for p in parameters]).mean()
        self.scorer.zero_grad(set_to_none=True)  # or the next row's gradient would be added
        return float(norm.nan_to_num(COLLAPSED_LOSS, COLLAPSED_LOSS))

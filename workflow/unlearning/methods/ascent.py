"""Gradient ascent on the forget set: plain (GA), or with a weight for each token (WGA, SatImp)."""

from torch import Tensor

from unlearning.methods.sequences import Batch


def gradient_ascent(batch: Batch) -> Tensor:
    """GA: the negated cross-entropy, - L(y|x) / |y|. Returns (B,).

    Paper: NPO (arXiv 2404.05868) eq. 1. Reference: `grad_ascent` in locuslab/tofu and
    OPTML-Group/Unlearn-Simple. Unbounded below: with enough steps the model collapses.
    """
    return -batch.token_mean(batch.forget)


def _ascent(batch: Batch, weight: Tensor) -> Tensor:
    """(B,) -weight * cross-entropy, mean over labelled tokens."""
    return batch.mean_over(batch.forget, weight * batch.forget.logp, batch.forget.row)


def wga(batch: Batch, beta: float) -> Tensor:
    """WGA: - p^β · CE per token, the weight without gradient. Returns (B,).

    Tokens that are forgotten already (p near 0) no longer pull. Paper: Rethinking LLM Unlearning
    Objectives (arXiv 2502.19301). Reference: `compute_wga_loss` in locuslab/open-unlearning.
    """
    return _ascent(batch, batch.forget.logp.detach().exp() ** beta)


def satimp(batch: Batch, beta1: float, beta2: float) -> Tensor:
    """SatImp: - p^β1 (1 - p)^β2 · CE per token, the weight without gradient. Returns (B,).

    p^β1 spares what is forgotten (saturation), (1 - p)^β2 what is certain (importance).
    Paper: Exploring Criteria of Loss Reweighting (arXiv 2505.11953). Reference:
    `compute_satimp_loss` in locuslab/open-unlearning.
    """
    p = batch.forget.logp.detach().exp()
    return _ascent(batch, p**beta1 * (1 - p) ** beta2)

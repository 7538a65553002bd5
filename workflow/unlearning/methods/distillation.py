"""Losses that teach a distribution without the true token: UNDIAL and CE-U."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softmax

from unlearning.methods.sequences import Batch


def _soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(P,) cross-entropy of (P, V) logits to (P, V) target probabilities."""
    return cross_entropy(logits, target, reduction="none")


def undial(batch: Batch, beta: float) -> Tensor:
    """UNDIAL: cross-entropy to softmax(z_target - β · onehot(y)), mean over labels. Returns (B,).

    Self-distillation from the target model with the true token's logit lowered by β.
    Paper: UNDIAL (arXiv 2402.10052) eq. 3. Reference: `compute_undial_loss` in
    locuslab/open-unlearning, which averages over every position: see undial_as_released.
    """
    view = batch.forget.logits
    # at labels alone, so no position has the ignore index
    lowered = view.teacher - beta * one_hot(view.labels, view.values.shape[-1])
    loss = _soft_cross_entropy(view.values, softmax(lowered, dim=-1))
    return batch.mean_over(batch.forget, loss, view.row)


def undial_as_released(batch: Batch, beta: float) -> Tensor:
    """UNDIAL-OU: UNDIAL over every position, the prompt's too, as released. Returns (B,).

    Where a position bears no label, the released code uses the ignore index -100 as an index from
    the vocabulary's end, and so lowers the logit of the hundredth last entry. Paper: UNDIAL
    (arXiv 2402.10052). Reference: `compute_undial_loss` in locuslab/open-unlearning; its mean also
    runs over padding.
    """
    view = batch.forget.logits
    vocabulary = view.values.shape[-1]
    # -100 % V = V - 100: Python's and torch's index -100
    lowered = view.teacher - beta * one_hot(view.labels % vocabulary, vocabulary)
    loss = _soft_cross_entropy(view.values, softmax(lowered, dim=-1))
    return batch.mean_over(batch.forget, loss, view.row)


def ce_u(batch: Batch, ignore_first_n_answer_tokens: int) -> Tensor:
    """CE-U: cross-entropy to the model's own softmax without the true token. Returns (B,).

    The true token's logit is -inf in the target, which has no gradient; the first n answer tokens
    are ignored, in every row that has more than n. Paper: CE-U (arXiv 2503.01224), a footnote of
    which ignores the first. Reference: `compute_batch_ceu` in locuslab/open-unlearning.
    """
    view = batch.forget.logits
    # of the model itself, so only the cross-entropy below has a gradient, not its target
    masked = view.values.detach().scatter(-1, view.labels[:, None], float("-inf"))
    loss = _soft_cross_entropy(view.values, softmax(masked, dim=-1))
    tokens = batch.forget.tokens.long()  # (B,)
    starts = tokens.cumsum(0) - tokens  # (B,) where each row's labels begin among the positions
    # (P,) index of each position among its row's labels
    index = torch.arange(len(view.row), device=view.row.device) - starts[view.row]
    # a row without any counted position would have the mean 0 / 0
    is_short = tokens[view.row] <= ignore_first_n_answer_tokens
    counts = (index >= ignore_first_n_answer_tokens) | is_short  # (P,)
    return batch.mean_over(batch.forget, loss[counts], view.row[counts])

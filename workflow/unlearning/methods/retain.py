"""Retain terms, which preserve the model's other knowledge: RT and KL."""

from torch import Tensor
from torch.nn.functional import log_softmax

from unlearning.methods.sequences import Batch


def retain_loss(batch: Batch) -> Tensor:
    """RT: cross-entropy on a retain row, L(y|x) / |y|. Returns (B,).

    Paper: NPO (arXiv 2404.05868) §2. Reference: the `grad_diff` part of the losses in
    OPTML-Group/Unlearn-Simple.
    """
    return batch.token_mean(batch.retain)


def retain_divergence(batch: Batch) -> Tensor:
    """KL: KL(target ‖ current) of the next-token distribution, mean over positions. Returns (B,).

    `KL` takes every position of a row, prompt included, as the released losses do, whose mean also
    runs over padding; there is no padding here. `KL-answer` takes the positions that predict the
    answer. Paper: NPO (arXiv 2404.05868) §2. Reference: `KL` in OPTML-Group/Unlearn-Simple.
    """
    view = batch.retain.logits
    # from logarithms, for a probability that underflows to 0 would make 0 · log 0 = NaN
    current = log_softmax(view.values, dim=-1)  # (P, V)
    target = log_softmax(view.teacher, dim=-1)
    divergence = (target.exp() * (target - current)).sum(-1)  # (P,)
    return batch.mean_over(batch.retain, divergence, view.row)

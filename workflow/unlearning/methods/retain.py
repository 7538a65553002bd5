"""Retain terms: what keeps the model's other knowledge in place."""

from torch import Tensor
from torch.nn.functional import log_softmax

from unlearning.methods.sequences import Batch


def retain_loss(batch: Batch) -> Tensor:
    """RT: cross-entropy on a retain row, L(y|x) / |y|. Returns (B,).

    Paper: NPO (arXiv 2404.05868) §2.2. Reference: the `grad_diff` part of the losses in
    OPTML-Group/Unlearn-Simple.
    """
    assert batch.retain is not None
    return batch.token_mean(batch.retain)


def retain_divergence(batch: Batch) -> Tensor:
    """KL: KL(target ‖ current) of the next-token distribution, mean over positions. Returns (B,).

    All positions count, the prompt's too, as in the released `KL` losses (Unlearn-Simple), whose
    mean also runs over padding up to 500 tokens; there is no padding here, so the mean runs over
    the row's real positions.
    """
    retain = batch.retain
    assert retain is not None and retain.logits is not None and retain.reference_logits is not None
    current = log_softmax(retain.logits, dim=-1)  # (P, V)
    target = log_softmax(retain.reference_logits, dim=-1)
    divergence = (target.exp() * (target - current)).sum(-1)  # (P,)
    positions = divergence.new_ones(len(divergence))
    return batch.ratio(
        retain.sum_rows(divergence, retain.logits_row),
        retain.sum_rows(positions, retain.logits_row),
    )

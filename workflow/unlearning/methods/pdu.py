"""PDU: flatten the forget set's logits under a bound on the retain loss, by a primal-dual rule."""

from torch import Tensor

from unlearning.methods.sequences import Batch


def flatten_margin(batch: Batch) -> Tensor:
    """PDU: (largest logit - mean logit)², mean over the positions of the row. Returns (B,).

    0 where the next token is uniform over the vocabulary. Paper: Constrained Entropic Unlearning
    (arXiv 2506.05314). Reference: `PDU` in locuslab/open-unlearning, whose mean over every position
    of the batch also runs over padding.
    """
    view = batch.forget.logits
    margin = view.values.max(-1).values - view.values.mean(-1)  # (P,)
    return batch.mean_over(batch.forget, margin**2, view.row)


def dual_variable(
    weight: float,
    retain_loss: float,
    epoch: float,
    retain_loss_eps: float,
    dual_step_size: float,
    dual_warmup_epochs: float,
    dual_update_upon: str,
) -> float:
    """The retain term's next weight: max(0, λ + step · (retain loss - ε)) after the warm-up.

    λ rises while the retain loss is above ε; with a step of 0 it is constant. dual_update_upon
    `step`: it changes after each optimiser step by the retain loss of the global batch (in the
    reference code after each micro-batch). `epoch`: it changes after each epoch by the mean retain
    loss of the epoch's rows under the model at its end (training/loop.py). ε should be a little
    above the target model's own retain loss.
    """
    if epoch < dual_warmup_epochs:
        return weight
    # a negative weight would reward a growing retain loss
    return max(0.0, weight + dual_step_size * (retain_loss - retain_loss_eps))

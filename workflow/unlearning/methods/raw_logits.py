"""NPO, SimNPO and KL as the MUSE code releases them: on raw logits instead of likelihoods.

A logit is not a log-probability, and every entry of the vocabulary counts, not only the token of
the text (muse_bench issue 2, Unlearn-Simple issue 5). These losses are here besides those of the
papers because published MUSE numbers were made with them.
"""

from torch import Tensor
from torch.nn.functional import logsigmoid

from unlearning.methods.sequences import Batch


def npo_raw_logits(batch: Batch, beta: float) -> Tensor:
    """NPO-MUSE: -(2/β) log σ(β (z_ref - z)), mean over positions and vocabulary. Returns (B,).

    z: next-token logits at every position. Paper: MUSE (arXiv 2407.06460) §4. Reference: `npo` in
    jaechan-repo/muse_bench and in the MUSE folder of OPTML-Group/Unlearn-Simple.
    """
    view = batch.forget.logits
    loss = -2 / beta * logsigmoid(beta * (view.teacher - view.values)).mean(-1)  # (P,)
    return batch.mean_over(batch.forget, loss, view.row)


def simnpo_raw_logits(batch: Batch, beta: float, gamma: float) -> Tensor:
    """SimNPO-MUSE: -(2/β) log σ(β (-z - γ)), mean over positions and vocabulary. Returns (B,).

    Paper: SimNPO (arXiv 2410.07163) §6. Reference: `simnpo` in the MUSE folder of
    OPTML-Group/Unlearn-Simple.
    """
    view = batch.forget.logits
    loss = -2 / beta * logsigmoid(beta * (-view.values - gamma)).mean(-1)  # (P,)
    return batch.mean_over(batch.forget, loss, view.row)


def retain_divergence_raw_logits(batch: Batch) -> Tensor:
    """KL-MUSE: sum over positions and vocabulary of exp(z_ref) (z_ref - z). Returns (B,).

    What `F.kl_div(…, reduction="batchmean", log_target=True)` makes of raw logits, where it expects
    log-probabilities: no divergence, and thousands of times as large as the mean KL of `KL`.
    Paper: MUSE (arXiv 2407.06460) §4, which means the KL of `KL`. Reference: `klr` in
    jaechan-repo/muse_bench, baselines/baselines/iterative.py.
    """
    view = batch.retain.logits
    # summed, not averaged: batchmean divides by the first dimension alone, and a row has one
    terms = (view.teacher.exp() * (view.teacher - view.values)).sum(-1)  # (P,)
    return batch.retain.sum_rows(terms, view.row)

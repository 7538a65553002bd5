"""Task vector: learn the forget set, then move the weights in the opposite direction."""

import torch
from torch import Tensor

from unlearning.methods.sequences import Batch


def forget_likelihood(batch: Batch) -> Tensor:
    """Cross-entropy on the forget row, the loss that gives the task vector. Returns (B,).

    Paper: task arithmetic (arXiv 2212.04089), in MUSE (arXiv 2407.06460) §4. Reference:
    `task_vector.py` in jaechan-repo/muse_bench.
    """
    return batch.token_mean(batch.forget)


@torch.no_grad()
def negate(model, start, alpha: float) -> None:
    """θ <- θ_start - α (θ - θ_start), in place. `start`: the target model, where training began.

    The published MUSE runs fine-tune for 10 epochs and take α = 5.
    """
    # parameters of the two models come in the same order, as they are of one architecture
    for trained, original in zip(model.parameters(), start.parameters(), strict=True):
        original = original.to(trained)
        trained.copy_(original - alpha * (trained - original))

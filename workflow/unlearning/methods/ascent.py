"""GA: gradient ascent on the forget set."""

from torch import Tensor

from unlearning.methods.sequences import Batch


def gradient_ascent(batch: Batch) -> Tensor:
    """GA: the negated cross-entropy, - L(y|x) / |y|. Returns (B,).

    Paper: NPO (arXiv 2404.05868) eq. 1. Reference: `grad_ascent` in locuslab/tofu and
    OPTML-Group/Unlearn-Simple. Unbounded below: with enough steps the model collapses.
    """
    assert batch.forget is not None
    return -batch.token_mean(batch.forget)

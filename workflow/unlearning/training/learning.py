"""The plain language-modelling objective: pre-training, fine-tuning, retraining, relearning."""

from torch import Tensor

from unlearning.methods.objective import Objective
from unlearning.methods.sequences import Batch


def cross_entropy(batch: Batch) -> Tensor:
    """(B,) mean cross-entropy per labelled token of each row."""
    return batch.token_mean(batch.train)


LEARN = Objective([cross_entropy], [1.0], ["train"])

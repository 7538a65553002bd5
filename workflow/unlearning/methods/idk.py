"""IDK: learn to answer "I don't know" to the forget questions."""

from torch import Tensor

from unlearning.methods.sequences import Batch


def idk_with_retain(batch: Batch) -> Tensor:
    """IDK+RT: cross-entropy over the concatenation of an idk row and a retain row. Returns (B,).

    One token mean over both rows of a pair, so a long retain answer outweighs a short refusal.
    Paper: TOFU (arXiv 2401.06121) §4, NPO §5. Reference: `idk` in OPTML-Group/Unlearn-Simple.
    """
    return batch.token_mean(batch.idk, batch.retain)

"""Log-probabilities of labels, with the vocabulary projection at the needed positions only."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unlearning.data.encoding import IGNORED


class Scorer(nn.Module):
    """A causal language model whose forward pass returns label log-probabilities.

    Being a module, it is what DDP and FSDP wrap, so that gradients synchronise as usual.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, labels: Tensor, mask: Tensor | None = None, full: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Score (B, T) ids.

        labels: (B, T), IGNORED where no loss is taken. mask: (B, T) attention mask; not needed for
        right padding. full: (B, T) bool, positions whose next-token logits are returned whole.
        Returns logp (N,) and row (N,) of the labelled positions and, with `full`, logits (P, V)
        and logits_row (P,).
        """
        hidden = self.model.get_decoder()(
            input_ids=ids, attention_mask=mask, use_cache=False
        ).last_hidden_state  # (B, T, H)
        project = self.model.get_output_embeddings()
        row, position = torch.where(labels[:, 1:] != IGNORED)
        logits = at_least_float32(project(hidden[row, position]))  # (N, V)
        logp = -cross_entropy(logits, labels[row, position + 1], reduction="none")
        scores = {"logp": logp, "row": row}
        if full is not None:
            row, position = torch.where(full)
            scores["logits"] = at_least_float32(project(hidden[row, position]))
            scores["logits_row"] = row
        return scores


def at_least_float32(logits: Tensor) -> Tensor:
    """Half precision is too coarse for a softmax over a vocabulary; float64 stays."""
    return logits if logits.dtype == torch.float64 else logits.float()

"""From pairs of rows to what a loss sees: one forward pass over all roles of a micro-batch."""

import torch
from torch import Tensor

from unlearning.data.encoding import Example, collate
from unlearning.methods.sequences import Batch, Sequences
from unlearning.models.scorer import Scorer

Pair = dict[str, Example]  # role -> row; what one forget row is trained with


def score_pairs(
    scorer: Scorer,
    pairs: list[Pair],
    roles: list[str],
    device: torch.device,
    reference: Scorer | None = None,
) -> Batch:
    """Score the rows of every role of `pairs` (B of them) in one forward pass.

    `reference`: the target model, given when the objective compares next-token distributions on
    the retain rows.
    """
    examples = [pair[role] for role in roles for pair in pairs]
    ids, labels = (tensor.to(device) for tensor in collate(examples))
    full = _real_positions(examples, ids, roles, len(pairs)) if reference else None
    scores = scorer(ids, labels, full=full)
    batch = Batch()
    for k, role in enumerate(roles):
        sequences = _rows_of(scores, k * len(pairs), len(pairs))
        sequences.reference_nll = _reference_nll([pair[role] for pair in pairs], device)
        setattr(batch, role, sequences)
    if reference is not None:
        assert batch.retain is not None
        with torch.no_grad():
            batch.retain.logits = scores["logits"]
            batch.retain.logits_row = scores["logits_row"] - roles.index("retain") * len(pairs)
            batch.retain.reference_logits = reference(ids, labels, full=full)["logits"]
    return batch


def _rows_of(scores: dict[str, Tensor], first: int, size: int) -> Sequences:
    """The rows first..first+size of a scored forward pass."""
    inside = (scores["row"] >= first) & (scores["row"] < first + size)
    return Sequences(scores["logp"][inside], scores["row"][inside] - first, size)


def _reference_nll(examples: list[Example], device: torch.device) -> Tensor | None:
    values = [example.reference_nll for example in examples]
    return None if None in values else torch.tensor(values, device=device)


def _real_positions(examples: list[Example], ids: Tensor, roles: list[str], size: int) -> Tensor:
    """(B, T) True at the retain rows' tokens, the end-of-sequence label's own position excepted."""
    lengths = torch.tensor([len(example.ids) - 1 for example in examples], device=ids.device)
    real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    retain = torch.zeros(len(examples), 1, dtype=torch.bool, device=ids.device)
    first = roles.index("retain") * size
    retain[first : first + size] = True
    return real & retain

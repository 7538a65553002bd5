"""From pairs of rows to what a loss sees: one forward pass over all roles of a micro-batch."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from unlearning.data.encoding import IGNORED, Example, collate
from unlearning.methods.objective import Objective
from unlearning.methods.sequences import Batch, Sequences, View
from unlearning.models.scorer import Scorer

Pair = dict[str, Example]  # role -> row; what one forget row is trained with


def score_pairs(
    scorer: Scorer,
    pairs: list[Pair],
    objective: Objective,
    device: torch.device,
    teacher: Scorer | None = None,
) -> Batch:
    """Score the rows of every role of `pairs` (B of them) in one forward pass.

    teacher: the target model, given when the objective compares logits or activations with its.
    """
    roles, needs = objective.roles, objective.needs
    examples = [pair[role] for role in roles for pair in pairs]
    ids, labels = (tensor.to(device) for tensor in collate(examples))
    rows = {role: slice(k * len(pairs), (k + 1) * len(pairs)) for k, role in enumerate(roles)}
    full = torch.zeros_like(ids, dtype=torch.bool) if needs.logits else None
    for role, kind in needs.logits.items():
        full[rows[role]] = positions(examples[rows[role]], ids.shape[1], kind).to(device)
    scores = scorer(ids, labels, full=full, layer=needs.layer)

    batch = Batch()
    for role in roles:
        own = rows[role]
        inside = (scores["row"] >= own.start) & (scores["row"] < own.stop)
        sequences = Sequences(scores["logp"][inside], scores["row"][inside] - own.start, len(pairs))
        sequences.reference_nll = _reference_nll(examples[own], device)
        taught = None
        if role in needs.teacher:
            with torch.no_grad():
                seen = full[own] if role in needs.logits else None
                taught = teacher(ids[own], labels[own], full=seen, layer=needs.layer)
        if role in needs.logits:
            seen = torch.zeros_like(full)
            seen[own] = full[own]
            values = scores["logits"][seen[full]]
            sequences.logits = logits_view(full[own], labels[own], values, taught)
        if needs.layer is not None:
            sequences.activations = activations_view(
                labels[own], scores["activations"][own], taught
            )
        setattr(batch, role, sequences)
    return batch


def positions(examples: list[Example], width: int, kind: str) -> Tensor:
    """(B, T) True at the positions of `kind`: see `methods.terms.Term`."""
    here = torch.arange(width)
    chosen = []
    for example in examples:
        first = max(example.start - 1, 0) if kind == "labels" else 0
        last = len(example.ids) - (0 if kind == "all" else 1)
        chosen.append((here >= first) & (here < last))
    return torch.stack(chosen)


def logits_view(full: Tensor, labels: Tensor, values: Tensor, taught: dict | None) -> View:
    """The logits (P, V) of one role at the positions (B, T) `full`, and what they predict."""
    following = pad(labels[:, 1:], (0, 1), value=IGNORED)
    row = torch.where(full)[0]
    return View(row, values, following[full], taught["logits"] if taught else None)


def activations_view(labels: Tensor, values: Tensor, taught: dict | None) -> View:
    """The activations (P, H) of one role at its labelled tokens, out of (B, T, H)."""
    answer = labels != IGNORED
    row = torch.where(answer)[0]
    teacher = taught["activations"][answer] if taught else None
    return View(row, values[answer], labels[answer], teacher)


def _reference_nll(examples: list[Example], device: torch.device) -> Tensor | None:
    values = [example.reference_nll for example in examples]
    return None if None in values else torch.tensor(values, device=device)

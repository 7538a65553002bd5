"""From pairs of rows to what a loss sees: one forward pass over all roles of a micro-batch."""

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor

from unlearning.data.encoding import IGNORED, Example
from unlearning.data.packing import Span
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
    rows = {role: slice(k * len(pairs), (k + 1) * len(pairs)) for k, role in enumerate(roles)}
    seen = {role: spans(examples, rows[role], kind) for role, kind in needs.logits.items()}
    full = list(chain.from_iterable(seen.values())) if seen else None
    answers = None
    if needs.layer is not None:
        answers = spans(examples, slice(0, len(examples)), "answers")
    scores = scorer(examples, full=full, layer=needs.layer, answers=answers)
    logits = dict(zip(seen, _split(scores.get("logits"), seen.values()), strict=True))

    batch = Batch()
    for role in roles:
        role_rows = rows[role]
        inside = (scores["row"] >= role_rows.start) & (scores["row"] < role_rows.stop)
        row = scores["row"][inside] - role_rows.start
        sequences = Sequences(scores["logp"][inside], row, len(pairs))
        of_role = examples[role_rows]
        sequences.reference_nll = _reference_nll(of_role, device)
        taught = None
        if role in needs.teacher:
            taught = teacher_outputs(teacher, of_role, needs.logits.get(role), needs.layer)
        if role in seen:
            sequences.logits = logits_view(of_role, needs.logits[role], logits[role], taught)
        if needs.layer is not None:
            # every label of a row is a token of its answer
            labels = chain.from_iterable(example.ids[example.start :] for example in of_role)
            predicted = torch.tensor([*labels], device=device)
            target_values = taught["activations"] if taught else None
            values = scores["activations"][inside]
            sequences.activations = View(row, values, predicted, target_values)
        setattr(batch, role, sequences)
    return batch


def spans(examples: list[Example], rows: slice, kind: str) -> list[Span]:
    """The tokens of `kind` of the examples `rows`: see `methods.terms.Term`; answers: the labelled
    tokens themselves."""
    token_spans = []
    for index in range(rows.start, rows.stop):
        example = examples[index]
        first = {"labels": max(example.start - 1, 0), "answers": example.start}.get(kind, 0)
        token_spans.append((index, first, len(example.ids) - (kind in ("labels", "next"))))
    return token_spans


def _split(values: Tensor | None, groups: Iterable[list[Span]]) -> list[Tensor]:
    """The values of each group of spans."""
    if values is None:
        return []
    sizes = [sum(end - start for _, start, end in spans_of_role) for spans_of_role in groups]
    return list(values.split(sizes))


@torch.no_grad()
def teacher_outputs(
    teacher: Scorer, examples: list[Example], kind: str | None, layer: int | None
) -> dict[str, Tensor]:
    """What the target model says of the rows of one role, in the same order."""
    everything = slice(0, len(examples))
    full = spans(examples, everything, kind) if kind else None
    answers = spans(examples, everything, "answers") if layer is not None else None
    return teacher(examples, full=full, layer=layer, answers=answers)


def logits_view(examples: list[Example], kind: str, values: Tensor, taught: dict | None) -> View:
    """The logits (P, V) of one role at the positions of `kind`, and what they predict."""
    row, following = [], []
    for index, first, end in spans(examples, slice(0, len(examples)), kind):
        row += [index] * (end - first)
        ids = [*examples[index].ids, IGNORED]
        start = examples[index].start
        following += [ids[k + 1] if k + 1 >= start else IGNORED for k in range(first, end)]
    target_values = taught["logits"] if taught else None
    on = {"device": values.device}
    return View(torch.tensor(row, **on), values, torch.tensor(following, **on), target_values)


def _reference_nll(examples: list[Example], device: torch.device) -> Tensor | None:
    values = [example.reference_nll for example in examples]
    return None if None in values else torch.tensor(values, device=device)

"""Turn pairs of rows into the input of a loss, by one forward pass over all their roles."""

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
    # One pass for all roles, so that DDP and FSDP synchronise once: the examples role by role, each
    # role's in the order of the pairs.
    examples: list[Example] = []
    slices: dict[str, slice] = {}
    for role in roles:
        slices[role] = slice(len(examples), len(examples) + len(pairs))
        examples += [pair[role] for pair in pairs]

    # whole logits are large, so only at the positions that a loss asks for
    logit_spans = {role: spans(examples, slices[role], kind) for role, kind in needs.logits.items()}
    # None and not [], which would cost a pass of the head
    full = list(chain.from_iterable(logit_spans.values())) if logit_spans else None
    answers = None
    if needs.layer is not None:
        answers = spans(examples, slice(0, len(examples)), "answers")
    scores = scorer(examples, full=full, layer=needs.layer, answers=answers)
    logits: dict[str, Tensor] = {}
    if logit_spans:
        sizes = []
        for role_spans in logit_spans.values():
            sizes.append(sum(end - start for _, start, end in role_spans))
        logits = dict(zip(logit_spans, scores["logits"].split(sizes), strict=True))

    batch = Batch()
    for role in roles:
        # the labels of this role's rows, which count from 0 again
        start, end = slices[role].start, slices[role].stop
        in_role = (scores["row"] >= start) & (scores["row"] < end)
        row = scores["row"][in_role] - start
        sequences = Sequences(scores["logp"][in_role], row, len(pairs))
        role_examples = examples[slices[role]]
        sequences.reference_nll = _reference_nll(role_examples, device)
        target = None
        if role in needs.teacher:
            target = teacher_outputs(teacher, role_examples, needs.logits.get(role), needs.layer)
        if role in logit_spans:
            kind = needs.logits[role]
            sequences.logits = logits_view(role_examples, kind, logits[role], target)
        if needs.layer is not None:
            # the tokens of the answers are the labels, so there is one activation for each label
            values = scores["activations"][in_role]
            tokens = chain.from_iterable(example.ids[example.start :] for example in role_examples)
            labels = torch.tensor(list(tokens), device=device)
            target_values = target["activations"] if target else None
            sequences.activations = View(row, values, labels, target_values)
        setattr(batch, role, sequences)
    return batch


def spans(examples: list[Example], rows: slice, kind: str) -> list[Span]:
    """One span of tokens for each of the examples `rows`.

    kind: `labels` (tokens that predict a label), `answers` (the labelled tokens themselves), `next`
    (all but the last token, which predicts none) or `all`.
    """
    token_spans = []
    for index in range(rows.start, rows.stop):
        example = examples[index]
        start, end = 0, len(example.ids)
        if kind == "labels":  # a label is predicted at the token before it
            start, end = max(example.start - 1, 0), end - 1
        elif kind == "answers":
            start = example.start
        elif kind == "next":
            end -= 1
        token_spans.append((index, start, end))
    return token_spans


@torch.no_grad()
def teacher_outputs(
    teacher: Scorer, examples: list[Example], kind: str | None, layer: int | None
) -> dict[str, Tensor]:
    """The target model's scores of the rows of one role, at the same positions and in the same
    order as the trained model's."""
    everything = slice(0, len(examples))
    full = spans(examples, everything, kind) if kind else None
    answers = spans(examples, everything, "answers") if layer is not None else None
    return teacher(examples, full=full, layer=layer, answers=answers)


def logits_view(examples: list[Example], kind: str, values: Tensor, target: dict | None) -> View:
    """The logits (P, V) of one role at the positions of `kind`, with the labels they predict.

    target: the target model's scores of the same rows, if the loss compares them.
    """
    rows: list[int] = []
    labels: list[int] = []
    for index, start, end in spans(examples, slice(0, len(examples)), kind):
        rows += [index] * (end - start)
        # position k predicts token k + 1, which is a label only within the answer
        example = examples[index]
        prompt = [IGNORED] * example.start
        padded_labels = [*prompt, *example.ids[example.start :], IGNORED]  # none after the last
        labels += padded_labels[start + 1 : end + 1]
    row = torch.tensor(rows, device=values.device)
    label = torch.tensor(labels, device=values.device)
    return View(row, values, label, target["logits"] if target else None)


def _reference_nll(examples: list[Example], device: torch.device) -> Tensor | None:
    """(B,) the rows' NLL under the reference model, computed before the run; None if it was not."""
    values = [example.reference_nll for example in examples]
    return None if None in values else torch.tensor(values, device=device)

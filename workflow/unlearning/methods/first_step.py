"""Check each loss on the rows of the first step, before any weight changes.

A loss of the wrong shape would not fail: it would be summed, and the results would depend on how
the rows are split into micro-batches.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unlearning.errors import UserError
from unlearning.methods.objective import Objective, call_loss, function_name
from unlearning.methods.sequences import ABSENT, Batch, Sequences, View

REQUIREMENT = "must be (B,): one value for each row, as in -batch.token_mean(batch.forget)"
ROLES = ("train", "forget", "idk", "alternative", "retain")


def check_losses(objective: Objective, batch: Batch) -> None:
    """UserError unless each loss returns one floating-point value for each row.

    A value must depend on its row alone, be on the device of the model's scores and have a gradient
    with respect to them. The model is not run.
    """
    # Two rows whatever the micro-batch, because with a single row a sum over rows would not show.
    # A batch of one row has it twice.
    size = _sequences(batch)[0].size
    first_rows = [0, min(1, size - 1)]
    for loss in objective.terms:
        name, two_rows = function_name(loss), rows_of(batch, first_rows)
        versions = _versions(two_rows)  # torch counts in-place changes of each tensor
        values = check_values(name, call_loss(loss, two_rows), two_rows)
        if _versions(two_rows) != versions:
            raise UserError(
                f"{name}: changes the batch in place, which the other terms of the loss read too; "
                "compute new tensors, as in batch.forget.logp.clamp(min=-5) without the final _"
            )
        for index, row in enumerate(first_rows):
            one_row = rows_of(batch, [row])
            single = check_values(name, call_loss(loss, one_row), one_row)
            # The tolerance allows for rounding of sums in another order. NaN equals NaN: a
            # collapsed model says nothing about the loss.
            beside = values[index : index + 1]
            if not torch.allclose(beside, single, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise UserError(
                    f"{name}: a row's value must follow from that row alone, but row {index + 1} "
                    f"has {beside.item():g} beside another row and {single.item():g} by itself. "
                    "Take no sum, mean or maximum over rows and draw no random numbers: the "
                    "result would depend on the micro-batch"
                )
        if not _has_gradient(name, values, differentiable_scores(two_rows)):
            raise UserError(
                f"{name}: returned values without a gradient with respect to what the model "
                "gives; compute them from batch.<role>.logp, nll, logits or activations without "
                "detach(), .item() or torch.no_grad()"
            )


def check_values(name: str, values, batch: Batch) -> Tensor:
    """Return `values` of a loss; UserError unless they are (B,) floats on the batch's device."""
    sequences = _sequences(batch)[0]
    if not isinstance(values, Tensor):
        raise UserError(f"{name}: returned {type(values).__name__}, {REQUIREMENT}, a torch.Tensor")
    if values.shape != (sequences.size,):
        raise UserError(
            f"{name}: returned shape {tuple(values.shape)} for a batch of B = {sequences.size} "
            f"rows, {REQUIREMENT}"
        )
    if not values.is_floating_point():
        raise UserError(f"{name}: returned dtype {values.dtype}, must be floating point")
    if values.device != sequences.logp.device:
        raise UserError(
            f"{name}: returned values on {values.device}, must be on {sequences.logp.device} as "
            "the batch is: give new tensors device=batch.<role>.logp.device"
        )
    return values


def rows_of(batch: Batch, rows: Sequence[int]) -> Batch:
    """A batch of these rows of every role, in that order; a row may occur twice."""
    selection = Batch()
    for role in _roles(batch):
        setattr(selection, role, _select(getattr(batch, role), rows))
    return selection


def differentiable_scores(batch: Batch) -> list[Tensor]:
    """The tensors of a batch that have a gradient: logp, logits and activations of the model."""
    return [tensor for tensor in _tensors(batch) if tensor.requires_grad]


def _versions(batch: Batch) -> list[int]:
    """How often each tensor of a batch has been changed in place."""
    return [tensor._version for tensor in _tensors(batch)]


def _tensors(batch: Batch) -> list[Tensor]:
    """All tensors of a batch. Only what the trained model gives has a gradient."""
    tensors = []
    for sequences in _sequences(batch):
        tensors += [sequences.logp, sequences.row, sequences.reference_nll]
        for view in (sequences.logits, sequences.activations):
            if view is not None:
                tensors += [view.row, view.values, view.labels, view.teacher]
    return [tensor for tensor in tensors if tensor is not None]


def _sequences(batch: Batch) -> list[Sequences]:
    return [getattr(batch, role) for role in _roles(batch)]


def _select(sequences: Sequences, rows: Sequence[int]) -> Sequences:
    """Some rows of one role, with their labels, logits and activations."""
    positions, row = _positions(sequences.row, rows)
    reference = sequences.reference_nll
    return Sequences(
        sequences.logp[positions],
        row,
        len(rows),
        ABSENT if reference is None else reference[list(rows)],
        _select_view(sequences.logits, rows),
        _select_view(sequences.activations, rows),
    )


def _select_view(view: View, rows: Sequence[int]) -> View:
    if view is None:
        return ABSENT
    positions, row = _positions(view.row, rows)
    teacher = ABSENT if view.teacher is None else view.teacher[positions]
    return View(row, view.values[positions], view.labels[positions], teacher)


def _positions(row: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The positions of `rows`, one row after another, and the new row number of each position.

    row: (P,) the row that each position belongs to.
    """
    positions: list[Tensor] = []
    new_rows: list[Tensor] = []
    for new_row, old_row in enumerate(rows):
        of_row = (row == old_row).nonzero()[:, 0]
        positions.append(of_row)
        new_rows.append(torch.full_like(of_row, new_row))
    return torch.cat(positions), torch.cat(new_rows)


def _has_gradient(name: str, values: Tensor, inputs: list[Tensor]) -> bool:
    """Whether `values` depend on any of the inputs; UserError if no gradient can be computed."""
    if not values.requires_grad or not inputs:
        return False
    # training still needs the graph, and a loss need not use every input
    try:
        gradients = torch.autograd.grad(values.sum(), inputs, allow_unused=True, retain_graph=True)
    except RuntimeError as error:  # of a tensor that was changed in place, say
        raise UserError(f"{name}: its gradient cannot be computed: {error}") from error
    return any(gradient is not None for gradient in gradients)


def _roles(batch: Batch) -> list[str]:
    return [role for role in ROLES if getattr(batch, role) is not None]

"""What a loss must be, checked on the first rows that it meets, before any weight moves.

A loss of the wrong shape would not fail: it would be summed, and the run would end with numbers
that depend on how its rows were shared out over micro-batches.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unlearning.errors import UserError
from unlearning.methods.objective import Objective, function_name
from unlearning.methods.sequences import Batch, Sequences, View
from unlearning.user_code import user_line

WANTED = "must be (B,): one value for each row, as in -batch.token_mean(batch.forget)"
ROLES = ("train", "forget", "idk", "alternative", "retain")


def check_losses(objective: Objective, batch: Batch) -> None:
    """UserError unless each loss gives one floating-point value for each row, which follows from
    that row alone, lies where the model's scores lie and has a gradient with respect to them.

    Two rows are scored and then the first of them alone, whatever the micro-batch: of a batch of
    one row, () and (1,) cannot be told apart. The model itself is not run.
    """
    size = _sequences(batch)[0].size
    both, first = rows_of(batch, [0, min(1, size - 1)]), rows_of(batch, [0])
    for loss in objective.terms:
        name = function_name(loss)
        values = check_values(name, _called(name, loss, both), both)
        alone = check_values(name, _called(name, loss, first), first)
        # as far apart as other sums round; a collapse (inf, nan) is no matter of the shape
        if not torch.allclose(values[:1], alone, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise UserError(
                f"{name}: a row's value must follow from that row alone, but the first row has "
                f"{values[0].item():g} beside another row and {alone.item():g} by itself. Take no "
                "sum, mean or maximum over rows and draw no random numbers: the result would "
                "depend on the micro-batch"
            )
        if not _reaches(values, scores(both)):
            raise UserError(
                f"{name}: returned values without a gradient with respect to what the model "
                "gives; compute them from batch.<role>.logp, nll, logits or activations without "
                "detach(), .item() or torch.no_grad()"
            )


def check_values(name: str, values, batch: Batch) -> Tensor:
    """`values` as a loss returned them of `batch`; UserError unless they are (B,) floats there."""
    sequences = _sequences(batch)[0]
    if not isinstance(values, Tensor):
        raise UserError(f"{name}: returned {type(values).__name__}, {WANTED}, a torch.Tensor")
    if values.shape != (sequences.size,):
        raise UserError(
            f"{name}: returned shape {tuple(values.shape)} for a batch of B = {sequences.size} "
            f"rows, {WANTED}"
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
    """The batch of these rows of every role, in that order; a row may come twice."""
    taken = {role: getattr(batch, role) for role in ROLES}
    return Batch(**{role: _rows(s, rows) for role, s in taken.items() if s is not None})


def scores(batch: Batch) -> list[Tensor]:
    """What the model gave of a batch's rows, as far as there is a gradient for it."""
    tensors = []
    for sequences in _sequences(batch):
        views = [view for view in (sequences.logits, sequences.activations) if view is not None]
        tensors += [sequences.logp, *(view.values for view in views)]
    return [tensor for tensor in tensors if tensor.requires_grad]


def _sequences(batch: Batch) -> list[Sequences]:
    return [s for role in ROLES if (s := getattr(batch, role)) is not None]


def _rows(sequences: Sequences, rows: Sequence[int]) -> Sequences:
    chosen, row = _positions(sequences.row, rows)
    reference = sequences.reference_nll
    return Sequences(
        sequences.logp[chosen],
        row,
        len(rows),
        None if reference is None else reference[list(rows)],
        _view(sequences.logits, rows),
        _view(sequences.activations, rows),
    )


def _view(view: View | None, rows: Sequence[int]) -> View | None:
    if view is None:
        return None
    chosen, row = _positions(view.row, rows)
    teacher = None if view.teacher is None else view.teacher[chosen]
    return View(row, view.values[chosen], view.labels[chosen], teacher)


def _positions(row: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The positions of `rows` one after the other, and the new row of each."""
    found = [(row == k).nonzero()[:, 0] for k in rows]
    numbers = [torch.full_like(positions, k) for k, positions in enumerate(found)]
    return torch.cat(found), torch.cat(numbers)


def _reaches(values: Tensor, inputs: list[Tensor]) -> bool:
    if not values.requires_grad or not inputs:
        return False
    gradients = torch.autograd.grad(values.sum(), inputs, allow_unused=True, retain_graph=True)
    return any(gradient is not None for gradient in gradients)


def _called(name: str, loss: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """The loss of `batch`; an error inside a user's own file is told with file and line."""
    try:
        return loss(batch)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        line = user_line(error, name.rpartition(":")[0])
        if line is None:
            raise
        raise UserError(
            f"{name}: {line}: {type(error).__name__}: {error}. The batch holds rows of "
            f"{', '.join(_roles(batch))}; roles and needs in the config ask for more"
        ) from error


def _roles(batch: Batch) -> list[str]:
    return [role for role in ROLES if getattr(batch, role) is not None]

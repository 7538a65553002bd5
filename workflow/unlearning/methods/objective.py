"""The complete loss of an unlearning method: a weighted sum of terms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from unlearning.errors import UserError
from unlearning.methods.sequences import Batch, Sequences
from unlearning.user_code import load_function, user_line


@dataclass(frozen=True)
class Needs:
    """What an objective needs besides the labels' log-probabilities; see `terms.Term`."""

    reference: bool = False
    logits: dict[str, str] = field(default_factory=dict)
    teacher: tuple[str, ...] = ()
    layer: int | None = None
    weighed_by: str = "step"


@dataclass
class Objective:
    """What the training loop minimises.

    terms: functions of a batch that return (B,) losses, or (1,) if pooled; first_step.py checks it.
    weights: their coefficients; the retain term's comes second. roles: of the rows of a pair.
    hooks: see `terms.Term`.
    """

    terms: list[Callable[[Batch], Tensor]]
    weights: list[float]
    roles: list[str]
    needs: Needs = Needs()
    hooks: dict[str, Callable] = field(default_factory=dict)

    def rows(self, batch: Batch) -> list[Tensor]:
        """Each term's values for the rows of a batch, unweighted."""
        return [call_loss(loss, batch) for loss in self.terms]

    def total(self, rows: list[Tensor]) -> Tensor:
        """(B,) weighted sum of terms; the loss is its mean over the rows of all micro-batches."""
        # here and not in the terms, because a multiplier changes the weights during a run
        return sum(weight * values for weight, values in zip(self.weights, rows, strict=True))

    def weighed_after(self, unit: str) -> bool:
        """Whether the retain term's weight changes after each `unit`: step or epoch."""
        return "multiplier" in self.hooks and self.needs.weighed_by == unit

    def weigh(self, retain_loss: float, epoch: float) -> None:
        """Update the retain term's weight by a retain loss, `epoch` epochs into the run."""
        self.weights[1] = self.hooks["multiplier"](self.weights[1], retain_loss, epoch)

    def trained(self, model) -> list[torch.nn.Parameter]:
        """The parameters that the method trains; the others are frozen.

        Without a hook these are all that are not frozen already: with LoRA the adapter's.
        """
        # the optimizer, weight decay and the memory account see only these
        if "trains" not in self.hooks:
            return [p for p in model.parameters() if p.requires_grad]
        parameters = self.hooks["trains"](model)
        model.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        return parameters


def function_name(loss: Callable) -> str:
    """The name by which load_function() finds a loss of an objective."""
    function = loss.func if isinstance(loss, partial) else loss
    return f"{function.__module__}:{function.__qualname__}"


def call_loss(loss: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """The values of a loss; an error in a user's function becomes a UserError with its line."""
    name = function_name(loss)
    file = name.rpartition(":")[0]
    try:
        return loss(batch)
    except (torch.OutOfMemoryError, UserError):
        raise  # no fault of the loss, or said in words already
    except Exception as error:
        if not file.endswith(".py"):
            raise  # a fault of this package's code
        line = user_line(error, file) or "its call"
        roles = [role for role, rows in vars(batch).items() if isinstance(rows, Sequences)]
        raise UserError(
            f"{name}: {line}: {type(error).__name__}: {error}. The batch holds rows of "
            f"{', '.join(roles)}; roles and needs in the config ask for more"
        ) from error


def _bind(part: dict, **arguments) -> Callable:
    """A function that a method's settings name, with its hyper-parameters."""
    return partial(load_function(part["function"]), **part["hyper"], **arguments)


def build_objective(settings: dict, seed: int = 0) -> Objective:
    """The objective of `terms.Method.settings()`. seed: of the run."""
    terms, weights = [], []
    for term in settings["terms"]:
        terms.append(_bind(term, seed=seed) if term["seeded"] else _bind(term))
        weights.append(term["coefficient"])
    needs = Needs(**{**settings["needs"], "teacher": tuple(settings["needs"]["teacher"])})
    hooks = {name: _bind(part) for name, part in settings["hooks"].items()}
    return Objective(terms, weights, settings["roles"], needs, hooks)

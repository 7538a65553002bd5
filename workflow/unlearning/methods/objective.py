"""A method's complete loss: the weighted sum of its terms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from unlearning.methods.sequences import Batch
from unlearning.user_code import load_function


@dataclass(frozen=True)
class Needs:
    """What an objective has to see beside the labels' log-probabilities; see `terms.Term`."""

    reference: bool = False
    logits: dict[str, str] = field(default_factory=dict)
    teacher: tuple[str, ...] = ()
    layer: int | None = None
    weighed_by: str = "step"


@dataclass
class Objective:
    """What the training loop minimises.

    terms: losses of a batch, each (B,), or (1,) where it pools; first_step.py checks them.
    weights: their coefficients; the retain term's comes second. roles: which rows make a pair.
    hooks: see `terms.Term`.
    """

    terms: list[Callable[[Batch], Tensor]]
    weights: list[float]
    roles: list[str]
    needs: Needs = Needs()
    hooks: dict[str, Callable] = field(default_factory=dict)

    def rows(self, batch: Batch) -> list[Tensor]:
        """Each term's values of the batch's rows, unweighted."""
        return [loss(batch) for loss in self.terms]

    def total(self, rows: list[Tensor]) -> Tensor:
        """(B,) the weighted sum; its mean over rows is the loss, so that any split sums up."""
        return sum(weight * values for weight, values in zip(self.weights, rows, strict=True))

    def weighed_after(self, unit: str) -> bool:
        """Whether the retain term's weight moves after each `unit`: step or epoch."""
        return "multiplier" in self.hooks and self.needs.weighed_by == unit

    def weigh(self, retain_loss: float, epoch: float) -> None:
        """Move the retain term's weight by a retain loss, at `epoch` epochs of the run."""
        self.weights[1] = self.hooks["multiplier"](self.weights[1], retain_loss, epoch)

    def trained(self, model) -> list[torch.nn.Parameter]:
        """The parameters that the method trains; the others are frozen. A method that does not
        choose takes all that are not frozen already: with LoRA the adapter's."""
        if "trains" not in self.hooks:
            return [p for p in model.parameters() if p.requires_grad]
        chosen = self.hooks["trains"](model)
        model.requires_grad_(False)
        for parameter in chosen:
            parameter.requires_grad_(True)
        return chosen


def function_name(loss: Callable) -> str:
    """The name by which load_function() finds a loss of an objective."""
    function = loss.func if isinstance(loss, partial) else loss
    return f"{function.__module__}:{function.__qualname__}"


def _bound(part: dict, **more) -> Callable:
    return partial(load_function(part["function"]), **part["hyper"], **more)


def build_objective(settings: dict, seed: int = 0) -> Objective:
    """The objective of `terms.Method.settings()`; `seed` is the run's."""
    terms = [
        _bound(term, seed=seed) if term["seeded"] else _bound(term) for term in settings["terms"]
    ]
    needs = settings["needs"]
    return Objective(
        terms,
        [term["coefficient"] for term in settings["terms"]],
        settings["roles"],
        Needs(
            needs["reference"],
            needs["logits"],
            tuple(needs["teacher"]),
            needs["layer"],
            needs["weighed_by"],
        ),
        {name: _bound(part) for name, part in settings["hooks"].items()},
    )

"""A method's complete loss: the weighted sum of its terms."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from unlearning.methods.sequences import Batch


@dataclass
class Objective:
    """What the training loop minimises: (B,) losses of a batch, and what it needs to see.

    roles: which rows make a pair; needs: see `registry.Term`.
    """

    terms: list[tuple[float, Callable[[Batch], Tensor]]]
    roles: list[str]
    needs: list[str]

    def __call__(self, batch: Batch) -> Tensor:
        """The mean over rows is the loss; rows are returned so that any split sums up the same."""
        return sum(weight * loss(batch) for weight, loss in self.terms)


def load_function(name: str) -> Callable:
    """The function that "package.module:function" names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def build_objective(settings: dict) -> Objective:
    """The objective of `registry.Method.settings()`."""
    terms = [
        (term["coefficient"], partial(load_function(term["function"]), **term["hyper"]))
        for term in settings["terms"]
    ]
    return Objective(terms, settings["roles"], settings["needs"])

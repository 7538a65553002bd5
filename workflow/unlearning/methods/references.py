"""Hyper-parameter `reference` of methods such as NPO: the reference model of the loss. No torch.

It selects an input of the run, not a loss; by default it is the target model.
"""

import re

from unlearning.methods.terms import Term

TARGET = "target"
RETRAIN, BASE = "retrain", "base"
ALLOWED = f"{TARGET}, {BASE}, {RETRAIN} or noise=0.05 (the target with Gaussian noise of that size)"
PATTERN = rf"{BASE}|{RETRAIN}|noise=[0-9][0-9.e+-]*"  # of a reference in a path


class ReferenceChoice:
    """A hyper-parameter whose value names a reference model."""

    default = TARGET

    def problem(self, value) -> str | None:
        if value in (TARGET, BASE, RETRAIN):
            return None
        if not isinstance(value, str) or not re.fullmatch(PATTERN, value):
            return f"must be {ALLOWED}"
        try:
            scale = noise(value)
        except ValueError:
            return f"must be {ALLOWED}"
        if value != f"noise={scale:g}":  # two spellings would give one run two paths
            return f"must be written noise={scale:g}"
        if scale is None or scale <= 0:
            return "must have noise above 0; without noise it is the target"
        return None


def noise(reference: str) -> float | None:
    """The size of a reference's noise relative to the weights; None for one without noise."""
    name, _, scale = reference.partition("=")
    return float(scale) if name == "noise" else None


def can_be_replaced(forget: Term) -> bool:
    """Whether a loss can have another reference than the target model.

    DPO, KTO and AltPO cannot: the run itself scores their other answers, under the target model.
    """
    return forget.reference and not {"idk", "alternative"} & set(forget.roles)

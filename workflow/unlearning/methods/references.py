"""Which model's log-probabilities of the forget rows a method compares with. No torch.

The hyper-parameter `reference` of methods such as NPO. It decides on a run's input, not on its
loss, so a run that does not state it has the target as its reference and is as it always was.
"""

import re

from unlearning.methods.terms import Term

TARGET = "target"
RETRAIN, BASE = "retrain", "base"
ALLOWED = f"{TARGET}, {BASE}, {RETRAIN} or noise=0.05 (the target with Gaussian noise of that size)"
PATTERN = rf"{BASE}|{RETRAIN}|noise=[0-9][0-9.e+-]*"  # of references in paths


class ReferenceChoice:
    """A hyper-parameter whose value is a reference's name."""

    default = TARGET

    def problem(self, value) -> str | None:
        """What is wrong with `value`, or None."""
        if value in (TARGET, BASE, RETRAIN):
            return None
        if not isinstance(value, str) or not re.fullmatch(PATTERN, value):
            return f"must be {ALLOWED}"
        try:
            scale = noise(value)
        except ValueError:
            return f"must be {ALLOWED}"
        if value != f"noise={scale:g}":  # two spellings would be two paths of one run
            return f"must be written noise={scale:g}"
        return None if scale > 0 else "must have noise above 0; without noise it is the target"


def noise(reference: str) -> float | None:
    """The size of the noise relative to the weights' own; None for a reference without."""
    name, _, scale = reference.partition("=")
    return float(scale) if name == "noise" else None


def can_be_replaced(forget: Term) -> bool:
    """Whether a forget loss compares the forget rows alone with a reference.

    Other answers (DPO, KTO, AltPO) are scored by the run itself under the model it starts from.
    """
    return forget.reference and not {"idk", "alternative"} & set(forget.roles)

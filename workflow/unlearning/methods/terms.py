"""What the registry's entries are made of. Read by the Snakefile: no torch.

Functions are named as "package.module:function" (or "path/to/file.py:function") and never imported
here, so the stage that runs a method depends on that method's own module alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LARGEST = 1e300  # far from where floats end
LAYERS = "{layers}"  # in a pattern: the numbers of the layers that a method trains


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter: published default and bounds. default None: the config must state it."""

    default: float | None = None
    above: float | None = None  # the value must be greater than this
    at_least: float | None = None
    whole: bool = False

    def problem(self, value) -> str | None:
        """What is wrong with `value`, or None."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not -LARGEST < value < LARGEST:  # nan is not either
            return "must be a number"
        if self.above is not None and not value > self.above:
            return f"must be greater than {self.above:g}"
        if self.at_least is not None and not value >= self.at_least:
            return f"must be at least {self.at_least:g}"
        if self.whole and not isinstance(value, int):
            return "must be a whole number"
        return None


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter that is one of some words."""

    words: tuple[str, ...]
    default: str

    def problem(self, value) -> str | None:
        """What is wrong with `value`, or None."""
        return None if value in self.words else f"must be one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Pattern:
    """A hyper-parameter that is a regular expression of whole parameter names, in which LAYERS
    stands for the numbers of layers."""

    default: str

    def problem(self, value) -> str | None:
        """What is wrong with `value`, or None."""
        if not isinstance(value, str) or not value:
            return "must be text, a regular expression of parameter names"
        try:
            re.compile(value.replace(LAYERS, "(0)"))
        except re.error as error:
            return f"must be a regular expression ({error})"
        return None


AnyHyper = Hyper | Choice | Pattern
Value = float | str  # of a hyper-parameter


@dataclass(frozen=True)
class Part:
    """A function and the hyper-parameters that it takes by name."""

    function: str
    hyper: dict[str, AnyHyper] = field(default_factory=dict)

    def settings(self, values: dict[str, Value]) -> dict:
        """The function and its own values among `values`, JSON-ready."""
        return {"function": self.function, "hyper": {key: values[key] for key in self.hyper}}


@dataclass(frozen=True)
class Term(Part):
    """One loss, and what the training loop has to provide for it.

    roles: the rows that a pair holds: forget, idk (the question with an "I don't know" answer),
        alternative (the question with a plausible false answer), retain.
    reference: log-probabilities of every role but retain under the target model, computed once.
    logits: role -> positions whose next-token logits are kept: `labels` (those that predict a
        label), `next` (all but a row's last) or `all`.
    teacher: roles whose logits or activations the target model gives too, at each step: a second
        model in memory.
    layer: the index of the layer whose output is kept at the answer tokens of forget and retain.
    seeded: the function takes the run's seed as `seed`.
    coefficients: published weights of the forget loss and of the retain term beside it.
    trains: which parameters are trained; all where it is None.
    multiplier: adapts the weight of the retain term after each step, or after each epoch, as the
        hyper-parameter dual_update_upon says.
    after: what is done to the trained model in the end.
    combined: what `after` makes of it is two models in one, for evaluation alone.
    """

    roles: tuple[str, ...] = ("forget",)
    reference: bool = False
    logits: dict[str, str] = field(default_factory=dict)
    teacher: tuple[str, ...] = ()
    layer: Hyper | None = None
    seeded: bool = False
    coefficients: tuple[float, float] = (1.0, 1.0)
    trains: Part | None = None
    multiplier: Part | None = None
    after: Part | None = None
    combined: bool = False

    def hooks(self) -> Iterator[tuple[str, Part]]:
        """The functions that a term brings beside its loss, by the name of their place."""
        for name in ("trains", "multiplier", "after"):
            part = getattr(self, name)
            if part is not None:
                yield name, part

    def hyper_parameters(self) -> dict[str, AnyHyper]:
        """Those of the loss and of all that comes with it."""
        found = dict(self.hyper)
        for _, part in self.hooks():
            found |= part.hyper
        return found | ({"layer": self.layer} if self.layer else {})


@dataclass(frozen=True)
class Method:
    """A resolved method: its terms and the complete values of its hyper-parameters."""

    name: str
    forget: Term
    retain: Term | None
    hyper: dict[str, Value]

    def settings(self) -> dict:
        """What the unlearn stage is told: functions, roles, needs and numbers; JSON-ready."""
        terms = [("forget", self.forget)] + ([("retain", self.retain)] if self.retain else [])
        used = [term for _, term in terms]
        return {
            "name": self.name,
            "terms": [
                {
                    **term.settings(self.hyper),
                    "coefficient": self.hyper.get(f"{side}_coeff", 1.0),
                    "seeded": term.seeded,
                }
                for side, term in terms
            ],
            "roles": sorted({role for term in used for role in term.roles}),
            "needs": {
                "reference": any(term.reference for term in used),
                "logits": {r: kind for term in used for r, kind in sorted(term.logits.items())},
                "teacher": sorted({role for term in used for role in term.teacher}),
                "layer": self.hyper.get("layer"),
                "weighed_by": self.hyper.get("dual_update_upon", "step"),
            },
            "hooks": {
                name: part.settings(self.hyper) for term in used for name, part in term.hooks()
            },
        }

    def functions(self) -> list[str]:
        """Every function that the method's settings name."""
        settings = self.settings()
        return [part["function"] for part in (*settings["terms"], *settings["hooks"].values())]

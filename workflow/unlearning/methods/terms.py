"""Classes for the entries of the methods' registry. The Snakefile imports them: no torch.

Functions are named as "package.module:function" (or "path/to/file.py:function") and never imported
here, so that a stage depends only on the modules of the method that it runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LARGEST = 1e300  # far below the largest float
LAYERS = "{layers}"  # in a pattern, stands for the numbers of the layers that a method trains


@dataclass(frozen=True)
class Hyper:
    """A number: published default and bounds. default None: the config must set it."""

    default: float | None = None
    above: float | None = None  # the value must be greater than this
    at_least: float | None = None
    integer: bool = False

    def problem(self, value) -> str | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not -LARGEST < value < LARGEST:  # nan fails the comparison
            return "must be a number"
        if self.above is not None and not value > self.above:
            return f"must be greater than {self.above:g}"
        if self.at_least is not None and not value >= self.at_least:
            return f"must be at least {self.at_least:g}"
        if self.integer and not isinstance(value, int):
            return "must be a whole number"
        return None


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter with a fixed list of values."""

    words: tuple[str, ...]
    default: str

    def problem(self, value) -> str | None:
        return None if value in self.words else f"must be one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Pattern:
    """A hyper-parameter that is a regular expression of whole parameter names, with LAYERS in the
    place of layer numbers."""

    default: str

    def problem(self, value) -> str | None:
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
    hyper: Mapping[str, AnyHyper] = field(default_factory=dict)

    def settings(self, values: Mapping[str, Value | None]) -> dict:
        """The function and those of `values` that it takes, JSON-ready."""
        return {"function": self.function, "hyper": {key: values[key] for key in self.hyper}}


@dataclass(frozen=True)
class Term(Part):
    """One loss, and what the training loop has to provide for it.

    roles: the rows of a pair: forget, idk (the question with an "I don't know" answer),
        alternative (the question with a plausible false answer), retain.
    reference: whether it needs log-probabilities of every role but retain under the reference
        model, which are computed once.
    logits: role -> positions whose next-token logits it needs: `labels` (those that predict a
        label), `next` (all but a row's last) or `all`.
    teacher: roles whose logits or activations it needs under the target model too, at each step:
        a second model in memory.
    layer: the index of the layer whose output it needs at the answer tokens of forget and retain.
    seeded: whether the function takes the run's seed as `seed`.
    coefficients: published weights of the forget loss and of the retain term next to it.
    trains: selects the parameters that are trained; None for all.
    multiplier: adapts the weight of the retain term after each step, or after each epoch, as the
        hyper-parameter dual_update_upon says.
    after: changes or replaces the trained model at the end.
    combined: whether `after` returns two models in one, for evaluation alone.
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
        """Name and function of each hook of a term: trains, multiplier, after."""
        for name in ("trains", "multiplier", "after"):
            part = getattr(self, name)
            if part is not None:
                yield name, part

    def hyper_parameters(self) -> dict[str, AnyHyper]:
        parameters = dict(self.hyper)
        for _, part in self.hooks():
            parameters |= part.hyper
        if self.layer:
            parameters["layer"] = self.layer
        return parameters


@dataclass(frozen=True)
class Method:
    """A resolved method: its terms and the complete values of its hyper-parameters."""

    name: str
    forget: Term
    retain: Term | None
    hyper: Mapping[str, Value | None]

    def settings(self) -> dict:
        """Settings of stage unlearn: functions, roles, needs and numbers; JSON-ready."""
        terms = {"forget": self.forget}
        if self.retain:
            terms["retain"] = self.retain
        # Both terms are scored in one pass, so what they need is joined.
        losses, hooks = [], {}
        roles: set[str] = set()
        teacher: set[str] = set()
        logits: dict[str, str] = {}
        for side, term in terms.items():
            coefficient = self.hyper.get(f"{side}_coeff", 1.0)
            losses.append(
                {**term.settings(self.hyper), "coefficient": coefficient, "seeded": term.seeded}
            )
            roles.update(term.roles)
            teacher.update(term.teacher)
            logits.update(sorted(term.logits.items()))
            # retain terms have no hooks, so none replaces another
            for name, part in term.hooks():
                hooks[name] = part.settings(self.hyper)
        return {
            "name": self.name,
            "terms": losses,
            "roles": sorted(roles),
            "needs": {
                "reference": any(term.reference for term in terms.values()),
                "logits": logits,
                "teacher": sorted(teacher),
                "layer": self.hyper.get("layer"),
                "weighed_by": self.hyper.get("dual_update_upon", "step"),
            },
            "hooks": hooks,
        }

    def functions(self) -> list[str]:
        """Names of all functions in the method's settings."""
        settings = self.settings()
        return [part["function"] for part in (*settings["terms"], *settings["hooks"].values())]

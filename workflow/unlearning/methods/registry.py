"""The one table of unlearning methods: name -> loss functions, hyper-parameters, what they need.

A method is `FORGET` or `FORGET+RETAIN`: any forget loss composes with any retain term as
    forget_coeff * forget loss + retain_coeff * retain term.
A name that stands in FORGET_LOSSES whole (`IDK+RT`) is one loss that already holds its retain part.

This module names functions as "module:function" and never imports them: the Snakefile reads it
without torch, and the stage that runs a method depends on that method's module alone.
"""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter: published default and lower bound."""

    default: float
    above: float | None = None  # the value must be greater than this
    at_least: float | None = None

    def problem(self, value) -> str | None:
        """What is wrong with `value`, or None."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            return "must be a number (write 1.0e-5, not 1e-5: YAML reads the latter as text)"
        if self.above is not None and not value > self.above:
            return f"must be greater than {self.above:g}"
        if self.at_least is not None and not value >= self.at_least:
            return f"must be at least {self.at_least:g}"
        return None


@dataclass(frozen=True)
class Term:
    """One loss: where its function lives and what the training loop has to provide.

    roles: rows drawn for each forget row: forget, idk (the question with an "I don't know" answer),
    retain. needs: `reference` (log-probabilities of the target model on forget and idk rows),
    `retain_logits` (current and target logits of the retain row: a second model in memory).
    """

    function: str
    roles: tuple[str, ...]
    needs: tuple[str, ...] = ()
    hyper: dict[str, Hyper] = field(default_factory=dict)


BETA = Hyper(0.1, above=0)
COEFFICIENT = Hyper(1.0, at_least=0)

FORGET_LOSSES: dict[str, Term] = {
    "GA": Term("unlearning.methods.ascent:gradient_ascent", ("forget",)),
    "IDK+RT": Term("unlearning.methods.idk:idk_with_retain", ("idk", "retain")),
    "DPO": Term(
        "unlearning.methods.preference:dpo", ("forget", "idk"), ("reference",), {"beta": BETA}
    ),
    "KTO": Term("unlearning.methods.kto:kto", ("forget", "idk"), ("reference",), {"beta": BETA}),
    "KTO-sigmoid": Term(
        "unlearning.methods.kto:kto_sigmoid", ("forget", "idk"), ("reference",), {"beta": BETA}
    ),
    "NPO": Term("unlearning.methods.preference:npo", ("forget",), ("reference",), {"beta": BETA}),
    "SimNPO": Term(
        "unlearning.methods.preference:simnpo",
        ("forget",),
        (),
        {"beta": Hyper(2.5, above=0), "gamma": Hyper(0.0)},
    ),
}

RETAIN_TERMS: dict[str, Term] = {
    "RT": Term("unlearning.methods.retain:retain_loss", ("retain",)),
    "KL": Term("unlearning.methods.retain:retain_divergence", ("retain",), ("retain_logits",)),
}


@dataclass(frozen=True)
class Method:
    """A resolved method: its terms and the complete values of its hyper-parameters."""

    name: str
    forget: Term
    retain: Term | None
    hyper: dict[str, float]

    def settings(self) -> dict:
        """What the unlearn stage is told: functions, roles, needs and numbers; JSON-ready."""
        terms = [("forget", self.forget)] + ([("retain", self.retain)] if self.retain else [])
        return {
            "name": self.name,
            "terms": [
                {
                    "function": term.function,
                    "coefficient": self.hyper.get(f"{side}_coeff", 1.0),
                    "hyper": {key: self.hyper[key] for key in term.hyper},
                }
                for side, term in terms
            ],
            "roles": sorted({role for _, term in terms for role in term.roles}),
            "needs": sorted({need for _, term in terms for need in term.needs}),
        }


def names() -> list[str]:
    """Every method name that can be written in a config, composed ones included."""
    composed = [f"{f}+{r}" for f in FORGET_LOSSES if "+" not in f for r in RETAIN_TERMS]
    return sorted([*FORGET_LOSSES, *composed])


def terms(name: str) -> tuple[Term, Term | None]:
    """The forget loss and the retain term of a method name; KeyError if there is none."""
    if name in FORGET_LOSSES:
        return FORGET_LOSSES[name], None
    forget, _, retain = name.rpartition("+")
    if "+" in forget:
        raise KeyError(name)
    return FORGET_LOSSES[forget], RETAIN_TERMS[retain]


def position(name: str) -> tuple[int, int]:
    """Sorts method names as this table lists them, whatever order a config has."""
    forget, retain = list(FORGET_LOSSES), list(RETAIN_TERMS)
    if name in FORGET_LOSSES:
        return forget.index(name), -1
    loss, _, term = name.rpartition("+")
    return forget.index(loss), retain.index(term)


def hyper_parameters(name: str) -> dict[str, Hyper]:
    """All hyper-parameters of a method, coefficients of a composed one included."""
    forget, retain = terms(name)
    if retain is None:
        return dict(forget.hyper)
    coefficients = {"forget_coeff": COEFFICIENT, "retain_coeff": COEFFICIENT}
    return {**forget.hyper, **retain.hyper, **coefficients}


def resolve(name: str, given: dict[str, float]) -> Method:
    """The method `name` with `given` hyper-parameters over the published defaults."""
    hyper = {key: h.default for key, h in hyper_parameters(name).items()}
    return Method(name, *terms(name), {**hyper, **given})

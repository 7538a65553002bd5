"""The one table of unlearning methods: name -> loss functions, hyper-parameters, what they need.

A method is `FORGET` or `FORGET+RETAIN`: any forget loss composes with any retain term as
    forget_coeff * forget loss + retain_coeff * retain term.
A name that stands in FORGET_LOSSES whole (`IDK+RT`) is one loss that already holds its retain part.
A suffix names the code or text whose variant of a loss it is: NPO-MUSE, SimNPO-paper.
"""

from unlearning.methods.terms import AnyHyper, Choice, Hyper, Method, Part, Pattern, Term, Value

BETA = Hyper(0.1, above=0)
GAMMA = Hyper(0.0)
LAYER = Hyper(7, at_least=0, whole=True)
# The released TOFU forget05 run: the coefficient printed on the card's retain term is the code's
# forget coefficient.
SIMNPO = {"hyper": {"beta": Hyper(2.5, above=0), "gamma": GAMMA}, "coefficients": (0.1375, 1.0)}
PREFERENCE = {"hyper": {"beta": BETA}, "reference": True}
HOME = "unlearning.methods."
# what RMU trains as released by its authors; open-unlearning's default is ".*", all parameters
DOWN_PROJECTIONS = r"(.+\.)?layers\.{layers}\.mlp\.(down_proj|fc2)\.weight"

FORGET_LOSSES: dict[str, Term] = {
    "GA": Term(HOME + "ascent:gradient_ascent"),
    "IDK+RT": Term(HOME + "idk:idk_with_retain", roles=("idk", "retain")),
    "DPO": Term(HOME + "preference:dpo", **PREFERENCE, roles=("forget", "idk")),
    "KTO": Term(HOME + "kto:kto", **PREFERENCE, roles=("forget", "idk")),
    "KTO-sigmoid": Term(HOME + "kto:kto_sigmoid", **PREFERENCE, roles=("forget", "idk")),
    "NPO": Term(HOME + "preference:npo", **PREFERENCE),
    "NPO-WMDP": Term(HOME + "preference:npo_token_mean", **PREFERENCE),
    "NPO-MUSE": Term(
        HOME + "raw_logits:npo_raw_logits",
        {"beta": BETA},
        logits={"forget": "all"},
        teacher=("forget",),
    ),
    "SimNPO": Term(HOME + "preference:simnpo", **SIMNPO),
    "SimNPO-paper": Term(HOME + "preference:simnpo_as_printed", **SIMNPO),
    "SimNPO-MUSE": Term(
        HOME + "raw_logits:simnpo_raw_logits",
        {"beta": Hyper(0.7, above=0), "gamma": GAMMA},
        logits={"forget": "all"},
    ),
    "TaskVector": Term(
        HOME + "task_vector:forget_likelihood",
        after=Part(HOME + "task_vector:negate", {"alpha": Hyper(5.0, above=0)}),
    ),
    "AltPO": Term(HOME + "preference:altpo", **PREFERENCE, roles=("forget", "alternative")),
    "RMU": Term(
        HOME + "rmu:steer",
        {"steering": Hyper(6.5, above=0)},
        layer=LAYER,
        seeded=True,
        coefficients=(1.0, 1200.0),
        trains=Part(
            HOME + "rmu:trained_parameters",
            {"layer": LAYER, "trained": Pattern(DOWN_PROJECTIONS)},
        ),
    ),
    "WGA": Term(HOME + "weighted_ascent:wga", {"beta": Hyper(1.0, at_least=0)}),
    "SatImp": Term(
        HOME + "weighted_ascent:satimp",
        {"beta1": Hyper(5.0, at_least=0), "beta2": Hyper(1.0, at_least=0)},
        coefficients=(0.1, 1.0),
    ),
    "UNDIAL": Term(
        HOME + "distillation:undial",
        {"beta": Hyper(10.0, above=0)},
        logits={"forget": "labels"},
        teacher=("forget",),
    ),
    "UNDIAL-OU": Term(
        HOME + "distillation:undial_as_released",
        {"beta": Hyper(10.0, above=0)},
        logits={"forget": "next"},
        teacher=("forget",),
    ),
    "CE-U": Term(
        HOME + "distillation:ce_u",
        {"ignore_first_n_answer_tokens": Hyper(1, at_least=0, whole=True)},
        logits={"forget": "labels"},
    ),
    "PDU": Term(
        HOME + "pdu:flatten_margin",
        logits={"forget": "all"},
        coefficients=(1.0, 100.0),
        multiplier=Part(
            HOME + "pdu:dual_variable",
            {
                "retain_loss_eps": Hyper(0.3, at_least=0),
                "dual_step_size": Hyper(5.0, at_least=0),
                "dual_warmup_epochs": Hyper(5, at_least=0),
                "dual_update_upon": Choice(("step", "epoch"), "step"),
            },
        ),
    ),
    "WHP": Term(
        HOME + "task_vector:forget_likelihood",
        after=Part(HOME + "harry_potter:combine", {"alpha": Hyper(1.0, above=0)}),
        combined=True,
    ),
}

RETAIN_TERMS: dict[str, Term] = {
    "RT": Term(HOME + "retain:retain_loss", roles=("retain",)),
    "KL": Term(
        HOME + "retain:retain_divergence",
        roles=("retain",),
        logits={"retain": "all"},
        teacher=("retain",),
    ),
    "KL-answer": Term(
        HOME + "retain:retain_divergence",
        roles=("retain",),
        logits={"retain": "labels"},
        teacher=("retain",),
    ),
    "KL-MUSE": Term(
        HOME + "raw_logits:retain_divergence_raw_logits",
        roles=("retain",),
        logits={"retain": "all"},
        teacher=("retain",),
    ),
    "ACT": Term(HOME + "rmu:keep_activations", roles=("retain",), layer=LAYER, teacher=("retain",)),
}

Losses = dict[str, Term]


def names(losses: Losses = FORGET_LOSSES) -> list[str]:
    """Every method name that can be written in a config, composed ones included."""
    composed = [f"{f}+{r}" for f in losses if "+" not in f for r in RETAIN_TERMS]
    return sorted([*losses, *composed])


def known(losses: Losses = FORGET_LOSSES) -> str:
    """The names in words."""
    terms = ", ".join(f"+{term}" for term in RETAIN_TERMS)
    return f"{', '.join(losses)}; all but IDK+RT alone or with one of {terms}"


def terms(name: str, losses: Losses = FORGET_LOSSES) -> tuple[Term, Term | None]:
    """The forget loss and the retain term of a method name; KeyError if there is none."""
    if name in losses:
        return losses[name], None
    forget, _, retain = name.rpartition("+")
    if "+" in forget:
        raise KeyError(name)
    return losses[forget], RETAIN_TERMS[retain]


def position(name: str, losses: Losses = FORGET_LOSSES) -> tuple[int, int]:
    """Sorts method names as this table lists them, whatever order a config has."""
    forget, retain = list(losses), list(RETAIN_TERMS)
    if name in losses:
        return forget.index(name), -1
    loss, _, term = name.rpartition("+")
    return forget.index(loss), retain.index(term)


def hyper_parameters(name: str, losses: Losses = FORGET_LOSSES) -> dict[str, AnyHyper]:
    """All hyper-parameters of a method, coefficients of a composed one included."""
    forget, retain = terms(name, losses)
    if retain is None:
        return forget.hyper_parameters()
    weights = dict(zip(("forget_coeff", "retain_coeff"), forget.coefficients, strict=True))
    coefficients = {key: Hyper(weight, at_least=0) for key, weight in weights.items()}
    return {**forget.hyper_parameters(), **retain.hyper_parameters(), **coefficients}


def code_of(name: str) -> list[str]:
    """What `fingerprint` takes for a method that a stage finds by name: its functions, and what the
    stage looks up in these tables."""
    forget, _, retain = name.rpartition("+")
    entries = [f"{__name__}:FORGET_LOSSES[{key}]" for key in (name, forget)]
    return [*entries, f"{__name__}:RETAIN_TERMS[{retain}]", *resolve(name, {}).functions()]


def resolve(name: str, given: dict[str, Value], losses: Losses = FORGET_LOSSES) -> Method:
    """The method `name` with `given` hyper-parameters over the published defaults."""
    hyper = {key: h.default for key, h in hyper_parameters(name, losses).items()}
    return Method(name, *terms(name, losses), {**hyper, **given})

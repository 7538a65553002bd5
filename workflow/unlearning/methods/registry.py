"""Table of all unlearning methods: name -> loss functions, hyper-parameters, what they need.

A method is `FORGET` or `FORGET+RETAIN`: any forget loss composes with any retain term as
    forget_coeff * forget loss + retain_coeff * retain term.
`IDK+RT` is an entry by itself, because its loss includes the retain rows. A suffix names the code
or text that a version of a loss comes from: NPO-MUSE, SimNPO-paper.
"""

from collections.abc import Mapping
from functools import partial

from unlearning.methods.terms import AnyHyper, Choice, Hyper, Method, Part, Pattern, Term, Value

# Values are the papers' or their code's, so that a method without hyper-parameters is the published
# one (docs/fidelity.md has the sources).
BETA = Hyper(0.1, above=0)
GAMMA = Hyper(0.0)
LAYER = Hyper(7, at_least=0, integer=True)
# Of the released TOFU forget05 run. Its model card prints the code's forget coefficient on the
# retain term.
simnpo = partial(
    Term, hyper={"beta": Hyper(2.5, above=0), "gamma": GAMMA}, coefficients=(0.1375, 1.0)
)
preference = partial(Term, hyper={"beta": BETA}, reference=True)
# retain terms that compare with the target model
near_target = partial(Term, roles=("retain",), teacher=("retain",))
HOME = "unlearning.methods."
# trained by RMU as its authors released it; open-unlearning's default is ".*", all parameters
DOWN_PROJECTIONS = r"(.+\.)?layers\.{layers}\.mlp\.(down_proj|fc2)\.weight"

FORGET_LOSSES: dict[str, Term] = {
    "GA": Term(HOME + "ascent:gradient_ascent"),
    "IDK+RT": Term(HOME + "idk:idk_with_retain", roles=("idk", "retain")),
    "DPO": preference(HOME + "preference:dpo", roles=("forget", "idk")),
    "KTO": preference(HOME + "kto:kto", roles=("forget", "idk")),
    "KTO-sigmoid": preference(HOME + "kto:kto_sigmoid", roles=("forget", "idk")),
    "NPO": preference(HOME + "preference:npo"),
    "NPO-WMDP": preference(HOME + "preference:npo_token_mean"),
    "NPO-MUSE": Term(
        HOME + "raw_logits:npo_raw_logits",
        {"beta": BETA},
        logits={"forget": "all"},
        teacher=("forget",),
    ),
    "SimNPO": simnpo(HOME + "preference:simnpo"),
    "SimNPO-paper": simnpo(HOME + "preference:simnpo_as_printed"),
    "SimNPO-MUSE": Term(
        HOME + "raw_logits:simnpo_raw_logits",
        {"beta": Hyper(0.7, above=0), "gamma": GAMMA},
        logits={"forget": "all"},
    ),
    "TaskVector": Term(
        HOME + "task_vector:forget_likelihood",
        after=Part(HOME + "task_vector:negate", {"alpha": Hyper(5.0, above=0)}),
    ),
    "AltPO": preference(HOME + "preference:altpo", roles=("forget", "alternative")),
    "RMU": Term(
        HOME + "rmu:steer",
        {"steering": Hyper(6.5, above=0)},
        layer=LAYER,
        seeded=True,
        coefficients=(1.0, 1200.0),
        trains=Part(
            HOME + "rmu:trained_parameters", {"layer": LAYER, "trained": Pattern(DOWN_PROJECTIONS)}
        ),
    ),
    "WGA": Term(HOME + "ascent:wga", {"beta": Hyper(1.0, at_least=0)}),
    "SatImp": Term(
        HOME + "ascent:satimp",
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
        {"ignore_first_n_answer_tokens": Hyper(1, at_least=0, integer=True)},
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
    "KL": near_target(HOME + "retain:retain_divergence", logits={"retain": "all"}),
    "KL-answer": near_target(HOME + "retain:retain_divergence", logits={"retain": "labels"}),
    "KL-MUSE": near_target(
        HOME + "raw_logits:retain_divergence_raw_logits", logits={"retain": "all"}
    ),
    "ACT": near_target(HOME + "rmu:keep_activations", layer=LAYER),
}

Losses = dict[str, Term]


def names(losses: Losses = FORGET_LOSSES) -> list[str]:
    """Every method name that a config can have, composed ones included."""
    composed = []
    for forget in losses:
        if "+" not in forget:
            composed += [f"{forget}+{retain}" for retain in RETAIN_TERMS]
    return sorted([*losses, *composed])


def describe_names(losses: Losses) -> str:
    """The method names as text for a message."""
    terms = ", ".join(f"+{term}" for term in RETAIN_TERMS)
    return f"{', '.join(losses)}; all but IDK+RT alone or with one of {terms}"


def terms(name: str, losses: Losses = FORGET_LOSSES) -> tuple[Term, Term | None]:
    """The forget loss and the retain term of a method name; KeyError for an unknown name."""
    if name in losses:
        return losses[name], None
    forget, _, retain = name.rpartition("+")
    if "+" in forget:  # IDK+RT has retain rows already
        raise KeyError(name)
    return losses[forget], RETAIN_TERMS[retain]


def position(name: str, losses: Losses = FORGET_LOSSES) -> tuple[int, int]:
    """Key that sorts method names in the order of this table, not of the config."""
    forget, retain = list(losses), list(RETAIN_TERMS)
    if name in losses:
        return forget.index(name), -1
    loss, _, term = name.rpartition("+")
    return forget.index(loss), retain.index(term)


def hyper_parameters(name: str, losses: Losses = FORGET_LOSSES) -> dict[str, AnyHyper]:
    """All hyper-parameters of a method, with both coefficients if it is a composed one."""
    forget, retain = terms(name, losses)
    if retain is None:  # a coefficient of the only term would just scale the loss
        return forget.hyper_parameters()
    forget_coeff, retain_coeff = forget.coefficients
    return {
        **forget.hyper_parameters(),
        **retain.hyper_parameters(),
        "forget_coeff": Hyper(forget_coeff, at_least=0),
        "retain_coeff": Hyper(retain_coeff, at_least=0),
    }


def code_of(name: str) -> list[str]:
    """Entries of `fingerprint` for a method that a stage finds by its name: the method's functions
    and its entries in these tables."""
    forget, _, retain = name.rpartition("+")
    # IDK+RT is an entry as it is; of any other name one of the two is no entry, and names nothing
    entries = [f"{__name__}:FORGET_LOSSES[{key}]" for key in (name, forget)]
    return [*entries, f"{__name__}:RETAIN_TERMS[{retain}]", *resolve(name, {}).functions()]


def resolve(name: str, values: Mapping[str, Value], losses: Losses = FORGET_LOSSES) -> Method:
    """The method `name`; `values` of hyper-parameters replace the published defaults."""
    parameters = hyper_parameters(name, losses)
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    return Method(name, *terms(name, losses), {**defaults, **values})

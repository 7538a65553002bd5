"""What a schema cannot say: methods, grids, splits and combinations that make no sense."""

import math

from unlearning.config.judged import use_problems
from unlearning.config.layout import blocks, grid, spell, spelled
from unlearning.config.muse import muse_problems
from unlearning.config.schema import nearest
from unlearning.config.wmdp import wmdp_problems
from unlearning.data.splits import (
    MUSE_SOURCES,
    TOFU_PERTURBED,
    TOFU_ROWS_PER_AUTHOR,
    WMDP_SOURCES,
    forget_rows,
    percentage,
    split_before,
)
from unlearning.data.world import size_problems
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.references import ReferenceChoice, can_be_replaced
from unlearning.methods.registry import Losses, hyper_parameters, known, names, terms
from unlearning.methods.terms import Hyper

# hooks that reach into a model's own weights
WEIGHTS = {"trains": "chooses the weights that it trains", "after": "combines whole models"}
_OVERRIDES = {"epochs": Hyper(0, above=0), "lr": Hyper(0, above=0)}
_OVERRIDES |= {"max_steps": Hyper(0, at_least=1, whole=True)}


def cross_problems(config: dict) -> list[str]:
    """Every problem of a config that the schema accepts."""
    problems: list[str] = []
    own = (_data, _splits, _membership)
    if config["data"]["source"] in (*MUSE_SOURCES, *WMDP_SOURCES):
        own = (muse_problems,) if config["data"]["source"] in MUSE_SOURCES else (wmdp_problems,)
    for check in (_model, use_problems, *own, _methods, _lora, _relearn, _trajectory):
        problems += check(config)
    return problems


def _model(config: dict) -> list[str]:
    model, problems = config["model"], []
    if (model["path"] is None) == (model["architecture"] is None):
        problems.append(
            "model: set exactly one of path (a trained base model) and architecture (one from "
            "random weights)"
        )
    if model["architecture"] is not None:
        if config["pretrain"] is None:
            problems.append("pretrain: a model from random weights needs a pretrain section")
        width, heads = model["architecture"]["width"], model["architecture"]["heads"]
        if width % heads:
            problems.append(f"model.architecture: {heads} heads do not divide the width {width}")
    if model["architecture"] is None and config["pretrain"] is not None:
        problems.append("pretrain: model.path names a trained model; remove the pretrain section")
    return problems


def _data(config: dict) -> list[str]:
    data, problems = config["data"], []
    if data["source"] == "mini":
        problems += [f"data.mini: {problem}" for problem in size_problems(**data["mini"])]
        for key in ("data_dir", "retain_authors", "alternatives"):
            if data[key] is not None:
                problems.append(f"data.{key}: only for data.source tofu, found {data[key]!r}")
    if data["corpus"] is not None:
        problems.append(f"data.corpus: only for data.source muse, found {data['corpus']}")
    if config["folds"]["splits"]:
        problems.append("folds.splits: only for data.source muse or mini-muse; remove it")
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "tofu" and scratch and data["retain_authors"] is None:
        problems.append(
            "data.retain_authors: a model from random weights is pre-trained on the TOFU authors "
            "that are left over; say how many retain authors stay (20 to 180)"
        )
    if config["finetune"]["replay_rows"] and not scratch:
        problems.append("finetune.replay_rows: only a model from random weights has a replay table")
    return problems


def _splits(config: dict) -> list[str]:
    mini = config["data"]["mini"]
    world = config["world_splits"] or config["forget_splits"]
    problems = [
        f"world_splits: {split} is among forget_splits, so the world must hold it; add it, or set "
        "world_splits to null"
        for split in config["forget_splits"]
        if split not in world
    ]
    for split in dict.fromkeys([*config["forget_splits"], *world]):
        try:
            if config["data"]["source"] == "mini":
                rows = mini["authors"] * mini["questions_per_author"]
                forget_rows(split, rows, mini["questions_per_author"])
            else:
                _tofu_split(split)
        except ValueError as error:
            problems.append(f"forget_splits: {error}")
    kept = config["data"]["retain_authors"]
    if not problems and kept is not None:
        forgotten = max(map(percentage, world)) * 2
        if kept + forgotten > 200:
            problems.append(
                f"data.retain_authors: {kept} retain and {forgotten} forget authors are more than "
                "TOFU's 200"
            )
    return problems


def _tofu_split(split: str) -> None:
    """ValueError unless TOFU has perturbed rows to measure the split on."""
    forget_rows(split, 4000, TOFU_ROWS_PER_AUTHOR)
    share = percentage(split)
    if share < max(TOFU_PERTURBED) and share not in TOFU_PERTURBED:
        published = ", ".join(f"forget{p:02d}" for p in TOFU_PERTURBED)
        raise ValueError(
            f"'{split}' has no perturbed rows in TOFU, so its forget quality cannot be taken. "
            f"Published: {published}; larger splits (forget11 to forget99) are measured on "
            f"forget10's rows"
        )


def _methods(config: dict) -> list[str]:
    losses, problems = own_methods(config["methods"])
    allowed = names(losses)
    for name, stated in config["methods"].items():
        if name not in allowed:
            if not (isinstance(stated, dict) and "function" in stated):  # else reported above
                problems.append(
                    f"methods: unknown method '{name}'{nearest(name, allowed)} Known: "
                    f"{known(losses)}. A method of your own names its function"
                )
            continue
        listed = blocks(hyper_block(stated))
        found = [problem for block in listed for problem in _block(name, block, losses)]
        variants = [] if found else [spell(h) for block in listed for h in grid(block)]
        twice = sorted({variant for variant in variants if variants.count(variant) > 1})
        found += [f"methods.{name}: the variant {variant} is listed twice" for variant in twice]
        problems += found or _fits(name, listed, losses, config)
    return problems


def _block(name: str, block: dict, losses: Losses) -> list[str]:
    taken = {**hyper_parameters(name, losses), **_OVERRIDES}
    if can_be_replaced(terms(name, losses)[0]):
        taken["reference"] = ReferenceChoice()
    return block_problems(f"methods.{name}", block, taken)


def block_problems(place: str, block: dict, taken: dict[str, Hyper | ReferenceChoice]) -> list[str]:
    """What is wrong with the hyper-parameters stated at `place` of a method that takes `taken`."""
    problems = []
    for key, value in block.items():
        if key in taken:
            problems += _values(f"{place}.{key}", value, taken[key])
        else:
            problems.append(
                f"{place}: unknown hyper-parameter '{key}'{nearest(key, list(taken))} "
                f"Allowed: {', '.join(taken)}"
            )
    for key, hyper in taken.items():
        if hyper.default is None and key not in block:
            problems.append(f"{place}.{key}: has no default; state a number")
    return problems


def _fits(name: str, listed: list[dict], losses: Losses, config: dict) -> list[str]:
    """Whether the data and the model have what a method asks for."""
    problems = []
    data, architecture = config["data"], config["model"]["architecture"]
    used = [term for term in terms(name, losses) if term is not None]
    alternative = any("alternative" in term.roles for term in used)
    if alternative and data["source"] == "tofu" and data["alternatives"] is None:
        problems.append(
            f"methods.{name}: needs plausible false answers to the forget questions; name their "
            "file in data.alternatives"
        )
    if data["source"] in MUSE_SOURCES and any("reference" in block for block in listed):
        problems.append(f"methods.{name}.reference: only on TOFU and the mini world; remove it")
    layer = hyper_parameters(name, losses).get("layer")
    if layer is not None and architecture is not None:
        last = architecture["layers"] - 2  # the last layer's output is only seen normalised
        stated = [point.get("layer", layer.default) for block in listed for point in grid(block)]
        problems += [
            f"methods.{name}.layer: must be 0 to {last} in a model of {last + 2} layers, found {k}"
            for k in stated
            if k > last
        ]
    return problems


def _lora(config: dict) -> list[str]:
    problems = []
    if config["resources"]["sharding"] == "shard":
        told = [(stage, config[stage]) for stage in ("finetune", "unlearn", "relearn")]
        problems += [
            f"{stage}.lora: an adapter cannot be shared out over processes; set resources.sharding "
            "to replicate, or lora to null"
            for stage, recipe in told
            if recipe["lora"] is not None
        ]
        problems += [
            f"{stage}.optimizer: paged_adamw_32bit cannot be shared out over processes; set "
            "resources.sharding to replicate, or adamw"
            for stage, recipe in told
            if recipe["optimizer"] == "paged_adamw_32bit"
        ]
    if config["pretrain"] is not None and config["pretrain"]["lora"] is not None:
        problems.append(
            "pretrain.lora: an adapter cannot learn a language beside random weights; set null"
        )
    chosen = config["unlearn"]["lora"]
    later = [split for split in config["folds"]["splits"] if split_before(split) is not None]
    if chosen is not None and chosen["adapter"] == "keep" and later and not config["keep_models"]:
        problems.append(
            f"unlearn.lora.adapter: keep leaves the models of {', '.join(later)} in need of those "
            "before them, which go after their last use; set keep_models to true, or adapter to "
            "merge"
        )
    losses, _ = own_methods(config["methods"])
    for name in config["methods"] if chosen is not None else ():
        used = terms(name, losses) if name in names(losses) else ()
        hooks = {hook for term in used if term is not None for hook, _ in term.hooks()}
        problems += [
            f"methods.{name}: {WEIGHTS[hook]}, so it cannot train an adapter; remove it or set "
            "unlearn.lora to null"
            for hook in sorted(hooks & WEIGHTS.keys())
        ]
    return problems


def _values(place: str, value, hyper: Hyper | ReferenceChoice) -> list[str]:
    values = value if isinstance(value, list) else [value]
    problems = [f"{place}: {p}, found {v!r}" for v in values if (p := hyper.problem(v))]
    # paths spell values with six digits: two points of a grid must not share a path
    if not problems and (not values or len(set(map(spelled, values))) < len(values)):
        problems.append(f"{place}: a grid is a list of distinct values, found {value!r}")
    return problems


def _relearn(config: dict) -> list[str]:
    known = list(config["methods"])
    return [
        f"relearn.methods: '{name}' is not among this experiment's methods ({', '.join(known)})"
        for name in config["relearn"]["methods"]
        if name not in known
    ]


def _trajectory(config: dict) -> list[str]:
    methods = config["methods"].values()
    stated = [b.get("epochs") for m in methods for b in blocks(hyper_block(m))]
    own = [e for given in stated for e in (given if isinstance(given, list) else [given])]
    shortest = min(config["unlearn"]["epochs"], *[e for e in own if _is_epochs(e)], math.inf)
    return [
        f"unlearn.trajectory: epoch {epoch} comes after the last of {int(shortest)}"
        for epoch in config["unlearn"]["trajectory"]
        if epoch > shortest
    ]


def _membership(config: dict) -> list[str]:
    attacks, holdout = (config["evaluation"][key] for key in ("membership", "holdout"))
    if holdout is not None and not attacks:
        return [
            f"evaluation.holdout: '{holdout}' holds non-members, but evaluation.membership names "
            "no attack"
        ]
    if not attacks or holdout is not None:
        return []
    if config["data"]["source"] != "mini":
        return [
            "evaluation.holdout: TOFU has no rows that every model has missed; name a JSON-lines "
            "file of such questions and answers, or set evaluation.membership to []"
        ]
    if not config["data"]["mini"]["holdout_authors"]:
        return [
            "evaluation.membership: data.mini.holdout_authors is 0, so there are no non-members; "
            "ask for at least 1"
        ]
    return []


def _is_epochs(value) -> bool:
    return _OVERRIDES["epochs"].problem(value) is None

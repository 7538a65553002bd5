"""What a schema cannot say: methods, grids, splits and combinations that make no sense."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial

from unlearning.benchmark import Check, benchmark_of
from unlearning.config.draws import draw_numbers, draw_problems
from unlearning.config.judged import use_problems
from unlearning.config.layout import attack_shares, blocks, grid, path_id, points, spelled
from unlearning.config.named import uses_base
from unlearning.config.named_checks import named_problems, unused_sections
from unlearning.config.own_metrics import own_metric_problems
from unlearning.config.schema import Unjudged, did_you_mean, hint
from unlearning.config.stated import known_methods
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.patterns import llama_names, matching, no_match
from unlearning.methods.references import ReferenceChoice, can_be_replaced
from unlearning.methods.registry import Losses, describe_names, hyper_parameters, names, terms
from unlearning.methods.terms import AnyHyper, Choice, Hyper

# Unlearning runs and attacks of an experiment. Each is a job or several; Snakemake plans as many in
# seconds, and no report of more can be read.
MOST_RUNS = 10_000
# what a method's block may state: a number, one of some words, or a reference
Stated = AnyHyper | ReferenceChoice
# hooks that reach into a model's own weights
WEIGHTS = {"trains": "chooses the weights that it trains", "after": "combines whole models"}
_OVERRIDES = {"epochs": Hyper(0, above=0), "lr": Hyper(0, above=0)}
_OVERRIDES |= {"max_steps": Hyper(0, at_least=1, integer=True)}
_SCHEDULE = Choice(("linear", "constant", "cosine"), "linear")


def cross_problems(config: dict, sections: Collection[str] = ()) -> list[str]:
    """Every problem of a completed config beside what the schema says against it.

    config: of schema.validated(); what depends on a refused value is not judged. sections: those
    that the user wrote.
    """
    problems: list[str] = []
    for check in _checks(config, sections):
        # a loop, not a list made of the check: what it says before it meets a refused value counts
        with suppress(Unjudged):
            for problem in check(config):
                problems.append(problem)
    return problems


def _checks(config: dict, sections: Collection[str]) -> list[Check]:
    """The checks of every experiment, and those of its kind of data."""
    checks: list[Check] = [
        _model,
        named_problems,
        draw_problems,
        partial(unused_sections, sections),
        use_problems,
        _methods,
        _fits,
        _lora,
        _relearn,
        _trajectory,
        _runs,
        own_metric_problems,
        _combined,
    ]
    with suppress(Unjudged):
        return [*benchmark_of(config["data"]["source"]).checks(sections), *checks]
    return checks


def _runs(config: dict) -> Iterator[str]:
    unlearn, folds, attacked = config["unlearn"], config["folds"], config["relearn"]["methods"]
    splits, seeds = len(config["forget_splits"]), len(unlearn["seeds"])
    again = len(folds["splits"]) * len(folds["seeds"] or unlearn["seeds"])
    attacks = len(attack_shares(config["relearn"]))
    draws, runs = len(draw_numbers(config)), 0
    for name, setting in config["methods"].items():
        cells = splits * seeds + (again if name in folds["methods"] else 0)
        each = 1 + (attacks if name in attacked else 0)
        runs += sum(map(points, blocks(hyper_block(setting)))) * cells * each * draws
    if runs > MOST_RUNS:
        yield (
            f"methods: their grids on {splits} splits with {seeds} seeds"
            f"{f' in {draws} draws' if draws > 1 else ''} make {runs:,} runs, attacks included; at "
            f"most {MOST_RUNS:,} are planned. Shorten the lists, or divide them among several "
            "configs that name the same world"
        )


def _model(config: dict) -> Iterator[str]:
    model = config["model"]
    sources = sum(model[key] is not None for key in ("path", "architecture"))
    if sources > 1 or (sources < 1 and uses_base(config)):
        yield (
            "model: set exactly one of path (a trained base model) and architecture (one from "
            "random weights)" + _without_base(config)
        )
    if model["architecture"] is not None:
        if config["pretrain"] is None:
            yield "pretrain: a model from random weights needs a pretrain section"
        width, heads = model["architecture"]["width"], model["architecture"]["heads"]
        if width % heads:
            yield f"model.architecture: {heads} heads do not divide the width {width}"
    if model["architecture"] is None and config["pretrain"] is not None:
        yield "pretrain: the models that the config names are trained; remove the pretrain section"


def _without_base(config: dict) -> str:
    """What makes a base model needed beside a target or retrained models that the config names."""
    if config["target"] is None:
        return ""
    if config["retrained"] is None:
        return "; retrained models are fine-tuned from it, unless retrained names them"
    return "; it is the reference of a method"


def _methods(config: dict) -> Iterator[str]:
    losses, problems = own_methods(config["methods"])
    yield from problems
    allowed = names(losses)
    for name, setting in config["methods"].items():
        if name in allowed:
            with suppress(Unjudged):
                yield from _variant_problems(name, setting, losses)
        elif not (isinstance(setting, dict) and "function" in setting):  # else reported above
            yield (
                f"methods: unknown method '{name}'{did_you_mean(name, allowed)} Known: "
                f"{describe_names(losses)}. A method of your own names its function"
            )


def _variant_problems(name: str, setting, losses: Losses) -> list[str]:
    """What is wrong with the values that a known method states."""
    listed = blocks(hyper_block(setting))
    problems = [problem for block in listed for problem in _block(name, block, losses)]
    if problems or sum(map(points, listed)) > MOST_RUNS:  # too many to be made: see _runs
        return problems
    variants = Counter(path_id(hyper) for block in listed for hyper in grid(block))
    return [
        f"methods.{name}: the variant {variant} is listed twice"
        for variant, count in sorted(variants.items())
        if count > 1
    ]


def _block(name: str, block: dict, losses: Losses) -> list[str]:
    hypers: dict[str, Stated] = {**hyper_parameters(name, losses), **_OVERRIDES}
    hypers["schedule"] = _SCHEDULE
    if can_be_replaced(terms(name, losses)[0]):
        hypers["reference"] = ReferenceChoice()
    return block_problems(f"methods.{name}", block, hypers)


def block_problems(setting: str, block: dict, hypers: Mapping[str, Stated]) -> list[str]:
    """What is wrong with the hyper-parameters in a method's block. setting: the block's key.
    hypers: those that the method takes."""
    problems = []
    for key, value in block.items():
        if key in hypers:
            problems += _values(f"{setting}.{key}", value, hypers[key])
        else:
            problems.append(
                f"{setting}: unknown hyper-parameter '{key}'{did_you_mean(key, list(hypers))} "
                f"Allowed: {', '.join(hypers)}"
            )
    for key, hyper in hypers.items():
        if hyper.default is None and key not in block:
            problems.append(f"{setting}.{key}: has no default; state a number")
    return problems


def _fits(config: dict) -> Iterator[str]:
    """Whether a model from random weights has the layers and the parameters that methods ask for;
    of a model that the config names models/judgement.py says so."""
    architecture = config["model"]["architecture"]
    if architecture is None:
        return
    for name, _, listed, losses in known_methods(config):
        hyper = hyper_parameters(name, losses)
        if "layer" not in hyper:
            continue
        last = architecture["layers"] - 2  # the last layer's output is only seen normalised
        for block in listed:
            for k in _sound(block, "layer", hyper):
                if k > last:
                    yield (
                        f"methods.{name}.layer: must be 0 to {last} in a model of {last + 2} "
                        f"layers, found {k}"
                    )
                    continue
                names_there = llama_names(architecture["layers"])
                for pattern in _sound(block, "trained", hyper):
                    if not matching(pattern, k, names_there):
                        yield f"methods.{name}.trained: {no_match(pattern, names_there)}"


def _sound(block: dict, key: str, parameters: dict[str, AnyHyper]) -> list:
    """The values of a hyper-parameter in a block, or its default, that are of the right kind."""
    if key not in parameters:
        return []
    value = block.get(key, parameters[key].default)
    values = value if isinstance(value, list) else [value]
    return [value for value in values if parameters[key].problem(value) is None]


def _lora(config: dict) -> Iterator[str]:
    if config["resources"]["sharding"] == "shard":
        for stage in ("finetune", "unlearn", "relearn"):
            if config[stage] is None:
                continue
            if config[stage]["lora"] is not None:
                yield (
                    f"{stage}.lora: an adapter cannot be shared out over processes; set "
                    "resources.sharding to replicate, or lora to null"
                )
            if config[stage]["optimizer"] == "paged_adamw_32bit":
                yield (
                    f"{stage}.optimizer: paged_adamw_32bit cannot be shared out over processes; "
                    "set resources.sharding to replicate, or adamw"
                )
    if config["pretrain"] is not None and config["pretrain"]["lora"] is not None:
        yield "pretrain.lora: an adapter cannot learn a language beside random weights; set null"
    lora = config["unlearn"]["lora"]
    if lora is None:
        return
    before = benchmark_of(config["data"]["source"]).split_before
    later = [split for split in config["folds"]["splits"] if before(split) is not None]
    if lora["adapter"] == "keep" and later and not config["keep_models"]:
        yield (
            f"unlearn.lora.adapter: keep leaves the models of {', '.join(later)} in need of those "
            "before them, which go after their last use; set keep_models to true, or adapter to "
            "merge"
        )
    for name, used, _, _ in known_methods(config):
        hooks = {hook for term in used for hook, _ in term.hooks()}
        for hook in sorted(hooks & WEIGHTS.keys()):
            yield (
                f"methods.{name}: {WEIGHTS[hook]}, so it cannot train an adapter; remove it or "
                "set unlearn.lora to null"
            )


def _combined(config: dict) -> Iterator[str]:
    """An unlearned model that is two models in one is evaluated and nothing else."""
    for name, used, _, _ in known_methods(config):
        if not any(term.combined for term in used):
            continue
        reason = f"{name} leaves two models that answer as one, which"
        if name in config["folds"]["methods"]:
            yield f"folds.methods: {reason} no later request goes on from; remove it there"
        if name in config["relearn"]["methods"]:
            yield f"relearn.methods: {reason} cannot be fine-tuned; remove it there"
        if config["harness"]["tasks"]:
            yield f"harness.tasks: {reason} the harness does not read; remove one of them"


def _values(path: str, value, hyper: Stated) -> list[str]:
    values = value if isinstance(value, list) else [value]
    types = ["number"] if isinstance(hyper, Hyper) else []
    problems = [
        f"{path}: {p}, found {v!r}{hint(v, types)}" for v in values if (p := hyper.problem(v))
    ]
    # paths spell values with six digits: two points of a grid must not share a path
    if not problems and (not values or len(set(map(spelled, values))) < len(values)):
        problems.append(f"{path}: a grid is a list of distinct values, found {value!r}")
    return problems


def _relearn(config: dict) -> Iterator[str]:
    methods = list(config["methods"])
    for name in config["relearn"]["methods"]:
        if name not in methods:
            yield (
                f"relearn.methods: '{name}' is not among this experiment's methods "
                f"({', '.join(methods)}){did_you_mean(name, methods)}"
            )


def _trajectory(config: dict) -> Iterator[str]:
    shortest = config["unlearn"]["epochs"]
    for setting in config["methods"].values():
        for block in blocks(hyper_block(setting)):
            epochs = block.get("epochs")
            values = epochs if isinstance(epochs, list) else [epochs]
            sound = [e for e in values if _OVERRIDES["epochs"].problem(e) is None]
            shortest = min(shortest, *sound, math.inf)
    for epoch in config["unlearn"]["trajectory"]:
        if epoch > shortest:
            yield f"unlearn.trajectory: epoch {epoch} comes after the last of {int(shortest)}"

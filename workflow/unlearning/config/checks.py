"""Check what a schema cannot: methods, grids, splits, and values that do not go together.

A check is a generator of messages about a complete config. One that reads a value which the schema
has refused ends with Unjudged.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial

from unlearning.benchmark import Check, benchmark_of
from unlearning.config.draws import draw_numbers, draw_problems
from unlearning.config.judged import lora_modules, use_problems
from unlearning.config.layout import attack_shares, blocks, grid, path_id, points, spelled
from unlearning.config.named import uses_base
from unlearning.config.named_checks import named_problems, unused_sections
from unlearning.config.own_metrics import own_metric_problems
from unlearning.config.runs import OVERRIDES
from unlearning.config.schema import Unjudged, did_you_mean, hint
from unlearning.config.stated import known_methods
from unlearning.methods.own import function_blocks, hyper_block, own_methods
from unlearning.methods.patterns import (
    LINEAR_LAYERS,
    llama_names,
    matching,
    missing_modules,
    no_match,
)
from unlearning.methods.references import ReferenceChoice, can_be_replaced
from unlearning.methods.registry import Losses, describe_names, hyper_parameters, names, terms
from unlearning.methods.terms import AnyHyper, Hyper, Part

# Unlearning runs and attacks of an experiment. Each is a job or several; Snakemake plans as many in
# seconds, and no report of more can be read.
MOST_RUNS = 10_000
LONGEST_NAME = 250  # bytes of a folder's name; file systems take 255, and logs end in .log
# kinds of values in a method's block: a number, one of some words, or a reference
Parameter = AnyHyper | ReferenceChoice
# hooks that need the model's own weights, which an adapter leaves frozen
WEIGHTS = {"trains": "chooses the weights that it trains", "after": "combines whole models"}


def cross_problems(config: dict, sections: Collection[str] = ()) -> list[str]:
    """Every problem of a complete config that the schema does not find.

    config: of schema.validated(); what depends on a refused value is not judged. sections: those
    that the user wrote.
    """
    problems: list[str] = []
    for check in _checks(config, sections):
        # one by one, so that messages before the use of a refused value are not lost
        with suppress(Unjudged):
            for problem in check(config):
                problems.append(problem)
    return problems


def _checks(config: dict, sections: Collection[str]) -> list[Check]:
    """The checks of every experiment, and those of its kind of data."""
    checks: list[Check] = [
        _model,
        _hub_revision,
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
    with suppress(Unjudged):  # the source itself may be refused; then no benchmark is known
        return [*benchmark_of(config["data"]["source"]).config_checks, *checks]
    return checks


def _runs(config: dict) -> Iterator[str]:
    """More runs than can be planned and reported."""
    unlearn, folds, attacked = config["unlearn"], config["folds"], config["relearn"]["methods"]
    splits, seeds = len(config["forget_splits"]), len(unlearn["seeds"])
    # later requests are run by some methods alone, and may have seeds of their own
    fold_cells = len(folds["splits"]) * len(folds["seeds"] or unlearn["seeds"])
    attacks = len(attack_shares(config["relearn"]))
    draws, runs = len(draw_numbers(config)), 0
    # counted without expanding any grid: a few lists of hundreds of values make millions of points
    for name, setting in config["methods"].items():
        variants = sum(map(points, blocks(hyper_block(setting))))
        cells = splits * seeds + (fold_cells if name in folds["methods"] else 0)
        runs_of_cell = 1 + (attacks if name in attacked else 0)
        runs += variants * cells * runs_of_cell * draws
    if runs > MOST_RUNS:
        yield (
            f"methods: their grids on {splits} splits with {seeds} seeds"
            f"{f' in {draws} draws' if draws > 1 else ''} make {runs:,} runs, attacks included; at "
            f"most {MOST_RUNS:,} are planned. Shorten the lists, or divide them among several "
            "configs that name the same world"
        )


def _model(config: dict) -> Iterator[str]:
    """A base model that is stated twice, is missing, or cannot be built."""
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


def _hub_revision(config: dict) -> Iterator[str]:
    """A revision of data that are not read from the hub."""
    data = config["data"]
    revision = data.get("hub_revision", "main")
    if data.get("data_dir") is not None and revision != "main":
        yield (
            f"data.hub_revision: '{revision}' is of the data set on the hub, but data.data_dir is "
            f"{data['data_dir']!r}; remove one of them"
        )


def _without_base(config: dict) -> str:
    """Why a base model is needed although the config names a target or retrained models."""
    if config["target"] is None:
        return ""
    if config["retrained"] is None:
        return "; retrained models are fine-tuned from it, unless retrained names them"
    return "; it is the reference of a method"


def _methods(config: dict) -> Iterator[str]:
    """Unknown methods, and values of known ones that are not allowed."""
    losses, problems = own_methods(config["methods"])
    yield from problems
    allowed = names(losses)
    for name, setting in config["methods"].items():
        if name in allowed:
            with suppress(Unjudged):
                yield from _variant_problems(name, setting, losses, config["unlearn"])
        elif not function_blocks(setting):
            # a function of the user's that cannot be used is in own_methods()'s problems
            yield (
                f"methods: unknown method '{name}'{did_you_mean(name, allowed)} Known: "
                f"{describe_names(losses)}. A method of your own names its function"
            )


def _variant_problems(name: str, setting, losses: Losses, recipe: dict) -> list[str]:
    """Problems of a known method's values. setting: its blocks in the config. recipe: that of
    unlearning."""
    forget, retain = terms(name, losses)
    # PDU alone would run as plain ascent: its dual variable has nothing to weigh
    if forget.multiplier is not None and retain is None:
        return [
            f"methods.{name}: adapts the weight of a retain term, and has none; write {name}+RT or "
            "another one"
        ]
    method_blocks = blocks(hyper_block(setting))
    hypers: dict[str, Parameter] = {**hyper_parameters(name, losses), **OVERRIDES}
    if can_be_replaced(forget):
        hypers["reference"] = ReferenceChoice()
    problems: list[str] = []
    for block in method_blocks:
        problems += block_problems(f"methods.{name}", block, hypers)
    # a grid of too many points is not expanded: _runs says that there are too many
    if problems or sum(map(points, method_blocks)) > MOST_RUNS:
        return problems
    # the grids of two blocks may have a point in common, whose runs would have one path
    variants: Counter[str] = Counter()
    for block in method_blocks:
        variants.update(map(path_id, grid(block)))
    for variant, count in sorted(variants.items()):
        if count > 1:
            problems.append(f"methods.{name}: the variant {variant} is listed twice")
    for folder in (name, *variants):
        if (size := len(folder.encode())) > LONGEST_NAME:
            problems.append(
                f"methods.{name}: a run's folder would have a name of {size} bytes, at most "
                f"{LONGEST_NAME} are allowed: {folder[:80]}…; shorten names, or state fewer values"
            )
    return problems or _same_runs(name, method_blocks, losses, recipe)


def _same_runs(name: str, method_blocks: list[dict], losses: Losses, recipe: dict) -> list[str]:
    """Variants that differ in stating a default alone: their runs would count as two."""
    defaults = {key: recipe[key] for key in OVERRIDES} | {"reference": ReferenceChoice.default}
    for key, parameter in hyper_parameters(name, losses).items():
        defaults[key] = parameter.default
    variants: dict[tuple, str] = {}
    problems = []
    for block in method_blocks:
        for hyper in grid(block):
            # complete, so that a stated default and an unstated one are equal
            run = tuple(sorted((defaults | hyper).items()))
            first = variants.setdefault(run, path_id(hyper))
            if first != path_id(hyper):
                problems.append(
                    f"methods.{name}: the variants {first} and {path_id(hyper)} are one run, for "
                    "what they do not state has its default; remove one of them"
                )
    return problems


def block_problems(setting: str, block: dict, hypers: Mapping[str, Parameter]) -> list[str]:
    """Problems of the hyper-parameters in a method's block. setting: the block's key. hypers: those
    that the method takes."""
    problems = []
    for key, value in block.items():
        if key in hypers:
            problems += _values(f"{setting}.{key}", value, hypers[key])
        else:
            problems.append(
                f"{setting}: unknown hyper-parameter '{key}'{did_you_mean(key, list(hypers))} "
                f"Allowed: {', '.join(hypers)}"
            )
    # arguments of the user's functions have no published value to fall back on
    for key, hyper in hypers.items():
        if hyper.default is None and key not in block:
            problems.append(f"{setting}.{key}: has no default that is a number; state one")
    return problems


def _fits(config: dict) -> Iterator[str]:
    """Layers and parameters that methods need and a model from random weights does not have.

    models/judgement.py checks a model that the config names.
    """
    architecture = config["model"]["architecture"]
    if architecture is None:
        return
    for name, _, listed, losses in known_methods(config):
        hyper = hyper_parameters(name, losses)
        if "layer" not in hyper:
            continue
        last = architecture["layers"] - 2  # the last layer's output is only seen normalised
        for block in listed:
            for layer in _valid_values(block, "layer", hyper):
                if layer > last:
                    yield (
                        f"methods.{name}.layer: must be 0 to {last} in a model of {last + 2} "
                        f"layers, found {layer}"
                    )
                    continue
                # a pattern may contain the number of the layer
                parameter_names = llama_names(architecture["layers"])
                for pattern in _valid_values(block, "trained", hyper):
                    if not matching(pattern, layer, parameter_names):
                        yield f"methods.{name}.trained: {no_match(pattern, parameter_names)}"


def _valid_values(block: dict, key: str, parameters: dict[str, AnyHyper]) -> list:
    """The valid values of a hyper-parameter in a block, or its default; others are reported by
    _methods."""
    if key not in parameters:
        return []
    value = block.get(key, parameters[key].default)
    values = value if isinstance(value, list) else [value]
    return [value for value in values if parameters[key].problem(value) is None]


def _lora(config: dict) -> Iterator[str]:
    """Adapters and optimisers that do not go with sharding, pre-training, folds or a method."""
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
    if config["model"]["architecture"] is not None:
        # every layer has the same modules, so one layer stands for all
        names = [name.removesuffix(".weight") for name in llama_names(1)]
        for stage, modules in lora_modules(config).items():
            for module in missing_modules(modules, names):
                yield (
                    f"{stage}.lora.modules: a model from random weights has no '{module}'; its "
                    f"linear layers are {', '.join(LINEAR_LAYERS)}"
                )
    lora = config["unlearn"]["lora"]
    if lora is None:
        return
    # a kept adapter needs the model that it was trained on
    before = benchmark_of(config["data"]["source"]).split_before
    later = [split for split in config["folds"]["splits"] if before(split) is not None]
    if lora["adapter"] == "keep" and later and not config["keep_models"]:
        yield (
            f"unlearn.lora.adapter: keep leaves the models of {', '.join(later)} in need of those "
            "before them, which go after their last use; set keep_models to true, or adapter to "
            "merge"
        )
    for name, used, _, _ in known_methods(config):
        hooks: dict[str, Part] = {}
        for term in used:
            hooks.update(term.hooks())
        for hook in sorted(hooks.keys() & WEIGHTS.keys()):
            yield (
                f"methods.{name}: {WEIGHTS[hook]}, so it cannot train an adapter; remove it or "
                "set unlearn.lora to null"
            )


def _combined(config: dict) -> Iterator[str]:
    """Uses of an unlearned model that consists of two models, which can only be evaluated."""
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


def _values(path: str, value, hyper: Parameter) -> list[str]:
    """Problems of a hyper-parameter's value or list of values. path: its key in the config."""
    values = value if isinstance(value, list) else [value]
    types = ["number"] if isinstance(hyper, Hyper) else []
    problems = []
    for entry in values:
        problem = hyper.problem(entry)
        if problem:
            problems.append(f"{path}: {problem}, found {entry!r}{hint(entry, types)}")
    # paths spell values with six digits, and two points of a grid must not share a path
    if not problems and (not values or len(set(map(spelled, values))) < len(values)):
        problems.append(f"{path}: a grid is a list of distinct values, found {value!r}")
    return problems


def _relearn(config: dict) -> Iterator[str]:
    """Attacks on methods that are not run, and shares that are one attack."""
    shares = config["relearn"]["fraction"]
    # paths spell them with six digits: of two alike the earlier would not be run
    if isinstance(shares, list) and len(set(map(spelled, shares))) < len(shares):
        yield f"relearn.fraction: a list of distinct shares, found {shares}"
    methods = list(config["methods"])
    # such an attack would be left out of the runs without a word
    for name in config["relearn"]["methods"]:
        if name not in methods:
            yield (
                f"relearn.methods: '{name}' is not among this experiment's methods "
                f"({', '.join(methods)}){did_you_mean(name, methods)}"
            )


def _trajectory(config: dict) -> Iterator[str]:
    """Evaluated epochs after the end of the shortest run."""
    # a point after a run's last epoch would be left out of its trajectory without a word
    shortest, epochs = math.inf, Hyper(config["unlearn"]["epochs"], above=0)
    for setting in config["methods"].values():
        for block in blocks(hyper_block(setting)):
            shortest = min([shortest, *_valid_values(block, "epochs", {"epochs": epochs})])
    for epoch in config["unlearn"]["trajectory"]:
        if epoch > shortest:
            yield f"unlearn.trajectory: epoch {epoch} comes after the last of {int(shortest)}"

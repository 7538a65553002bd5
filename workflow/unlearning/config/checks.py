"""What a schema cannot say: methods, grids, splits and combinations that make no sense."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial

from unlearning.benchmarks.muse import checks as muse
from unlearning.benchmarks.tofu.mini.generator import size_problems
from unlearning.benchmarks.wmdp import checks as wmdp
from unlearning.config.judged import use_problems
from unlearning.config.layout import attack_shares, blocks, grid, points, spell, spelled
from unlearning.config.schema import Unjudged, hint, nearest
from unlearning.config.stated import known_methods
from unlearning.data.splits import (
    MUSE_SOURCES,
    TOFU_PERTURBED,
    TOFU_ROWS_PER_AUTHOR,
    WMDP_SOURCES,
    forget_rows,
    percentage,
    split_before,
)
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.references import ReferenceChoice, can_be_replaced
from unlearning.methods.registry import Losses, hyper_parameters, known, names, terms
from unlearning.methods.terms import Hyper

# Unlearning runs and attacks of an experiment. Each is a job or several; Snakemake plans as many in
# seconds, and no report of more can be read.
MOST_RUNS = 10_000
# hooks that reach into a model's own weights
WEIGHTS = {"trains": "chooses the weights that it trains", "after": "combines whole models"}
_OVERRIDES = {"epochs": Hyper(0, above=0), "lr": Hyper(0, above=0)}
_OVERRIDES |= {"max_steps": Hyper(0, at_least=1, whole=True)}
Check = Callable[[dict], Iterator[str]]


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
        use_problems,
        _methods,
        _fits,
        _lora,
        _relearn,
        _trajectory,
        _runs,
    ]
    with suppress(Unjudged):
        source = config["data"]["source"]
        if source in MUSE_SOURCES:
            return [*muse.CHECKS, *checks]
        if source in WMDP_SOURCES:
            unused = partial(wmdp.unused_sections, sections)
            return [unused, *wmdp.CHECKS, *checks]
        return [_data, _splits, _membership, *checks]
    return checks


def _runs(config: dict) -> Iterator[str]:
    unlearn, folds, attacked = config["unlearn"], config["folds"], config["relearn"]["methods"]
    splits, seeds = len(config["forget_splits"]), len(unlearn["seeds"])
    again = len(folds["splits"]) * len(folds["seeds"] or unlearn["seeds"])
    attacks = len(attack_shares(config["relearn"]))
    runs = 0
    for name, stated in config["methods"].items():
        cells = splits * seeds + (again if name in folds["methods"] else 0)
        each = 1 + (attacks if name in attacked else 0)
        runs += sum(map(points, blocks(hyper_block(stated)))) * cells * each
    if runs > MOST_RUNS:
        yield (
            f"methods: their grids on {splits} splits with {seeds} seeds make {runs:,} runs, "
            f"attacks included; at most {MOST_RUNS:,} are planned. Shorten the lists, or divide "
            "them among several configs that name the same world"
        )


def _model(config: dict) -> Iterator[str]:
    model = config["model"]
    if (model["path"] is None) == (model["architecture"] is None):
        yield (
            "model: set exactly one of path (a trained base model) and architecture (one from "
            "random weights)"
        )
    if model["architecture"] is not None:
        if config["pretrain"] is None:
            yield "pretrain: a model from random weights needs a pretrain section"
        width, heads = model["architecture"]["width"], model["architecture"]["heads"]
        if width % heads:
            yield f"model.architecture: {heads} heads do not divide the width {width}"
    if model["architecture"] is None and config["pretrain"] is not None:
        yield "pretrain: model.path names a trained model; remove the pretrain section"


def _data(config: dict) -> Iterator[str]:
    data = config["data"]
    if data["source"] == "mini":
        for problem in size_problems(**data["mini"]):
            yield f"data.mini: {problem}"
        for key in ("data_dir", "retain_authors", "alternatives"):
            if data[key] is not None:
                yield f"data.{key}: only for data.source tofu, found {data[key]!r}"
    if data["corpus"] is not None:
        yield f"data.corpus: only for data.source muse, found {data['corpus']}"
    if config["folds"]["splits"]:
        yield "folds.splits: only for data.source muse or mini-muse; remove it"
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "tofu" and scratch and data["retain_authors"] is None:
        yield (
            "data.retain_authors: a model from random weights is pre-trained on the TOFU authors "
            "that are left over; say how many retain authors stay (20 to 180)"
        )
    if config["finetune"]["replay_rows"] and not scratch:
        yield "finetune.replay_rows: only a model from random weights has a replay table"


def _splits(config: dict) -> Iterator[str]:
    mini = config["data"]["mini"]
    world = config["world_splits"] or config["forget_splits"]
    for split in config["forget_splits"]:
        if split not in world:
            yield (
                f"world_splits: {split} is among forget_splits, so the world must hold it; add it, "
                "or set world_splits to null"
            )
    sound = True
    for split in dict.fromkeys([*config["forget_splits"], *world]):
        try:
            if config["data"]["source"] == "mini":
                rows = mini["authors"] * mini["questions_per_author"]
                forget_rows(split, rows, mini["questions_per_author"])
            else:
                _tofu_split(split)
        except ValueError as error:
            sound = False
            yield f"forget_splits: {error}"
    retained = config["data"]["retain_authors"]
    if sound and retained is not None:
        forgotten = max(map(percentage, world)) * 2
        if retained + forgotten > 200:
            yield (
                f"data.retain_authors: {retained} retain and {forgotten} forget authors are more "
                "than TOFU's 200"
            )


def _tofu_split(split: str) -> None:
    """ValueError unless TOFU has perturbed rows to measure the split on."""
    forget_rows(split, 4000, TOFU_ROWS_PER_AUTHOR)
    share = percentage(split)
    if share < max(TOFU_PERTURBED) and share not in TOFU_PERTURBED:
        published = ", ".join(f"forget{p:02d}" for p in TOFU_PERTURBED)
        raise ValueError(
            f"'{split}' has no perturbed rows in TOFU, so its forget quality cannot be taken. "
            f"Published: {published}; larger splits (forget11 to forget90) are measured on "
            f"forget10's rows"
        )


def _methods(config: dict) -> Iterator[str]:
    losses, problems = own_methods(config["methods"])
    yield from problems
    allowed = names(losses)
    for name, stated in config["methods"].items():
        if name in allowed:
            with suppress(Unjudged):
                yield from _stated(name, stated, losses)
        elif not (isinstance(stated, dict) and "function" in stated):  # else reported above
            yield (
                f"methods: unknown method '{name}'{nearest(name, allowed)} Known: "
                f"{known(losses)}. A method of your own names its function"
            )


def _stated(name: str, stated, losses: Losses) -> list[str]:
    """What is wrong with the values that a known method states."""
    listed = blocks(hyper_block(stated))
    problems = [problem for block in listed for problem in _block(name, block, losses)]
    if problems or sum(map(points, listed)) > MOST_RUNS:  # too many to be made: see _runs
        return problems
    variants = Counter(spell(hyper) for block in listed for hyper in grid(block))
    return [
        f"methods.{name}: the variant {variant} is listed twice"
        for variant, count in sorted(variants.items())
        if count > 1
    ]


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


def _fits(config: dict) -> Iterator[str]:
    """Whether the data and the model have what each method asks for."""
    data, architecture = config["data"], config["model"]["architecture"]
    for name, used, listed, losses in known_methods(config):
        alternative = any("alternative" in term.roles for term in used)
        if alternative and data["source"] == "tofu" and data["alternatives"] is None:
            yield (
                f"methods.{name}: needs plausible false answers to the forget questions; name "
                "their file in data.alternatives"
            )
        if data["source"] in MUSE_SOURCES and any("reference" in block for block in listed):
            yield f"methods.{name}.reference: only on TOFU and the mini world; remove it"
        layer = hyper_parameters(name, losses).get("layer")
        if layer is None or architecture is None:
            continue
        last = architecture["layers"] - 2  # the last layer's output is only seen normalised
        for block in listed:
            value = block.get("layer", layer.default)
            for k in value if isinstance(value, list) else [value]:
                if layer.problem(k) is None and k > last:
                    yield (
                        f"methods.{name}.layer: must be 0 to {last} in a model of {last + 2} "
                        f"layers, found {k}"
                    )


def _lora(config: dict) -> Iterator[str]:
    if config["resources"]["sharding"] == "shard":
        for stage in ("finetune", "unlearn", "relearn"):
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
    later = [split for split in config["folds"]["splits"] if split_before(split) is not None]
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


def _values(place: str, value, hyper: Hyper | ReferenceChoice) -> list[str]:
    values = value if isinstance(value, list) else [value]
    types = ["number"] if isinstance(hyper, Hyper) else []
    problems = [
        f"{place}: {p}, found {v!r}{hint(v, types)}" for v in values if (p := hyper.problem(v))
    ]
    # paths spell values with six digits: two points of a grid must not share a path
    if not problems and (not values or len(set(map(spelled, values))) < len(values)):
        problems.append(f"{place}: a grid is a list of distinct values, found {value!r}")
    return problems


def _relearn(config: dict) -> Iterator[str]:
    methods = list(config["methods"])
    for name in config["relearn"]["methods"]:
        if name not in methods:
            yield (
                f"relearn.methods: '{name}' is not among this experiment's methods "
                f"({', '.join(methods)}){nearest(name, methods)}"
            )


def _trajectory(config: dict) -> Iterator[str]:
    shortest = config["unlearn"]["epochs"]
    for stated in config["methods"].values():
        for block in blocks(hyper_block(stated)):
            epochs = block.get("epochs")
            values = epochs if isinstance(epochs, list) else [epochs]
            sound = [e for e in values if _OVERRIDES["epochs"].problem(e) is None]
            shortest = min(shortest, *sound, math.inf)
    for epoch in config["unlearn"]["trajectory"]:
        if epoch > shortest:
            yield f"unlearn.trajectory: epoch {epoch} comes after the last of {int(shortest)}"


def _membership(config: dict) -> Iterator[str]:
    attacks, holdout = (config["evaluation"][key] for key in ("membership", "holdout"))
    if holdout is not None and not attacks:
        yield (
            f"evaluation.holdout: '{holdout}' holds non-members, but evaluation.membership names "
            "no attack"
        )
    if not attacks or holdout is not None:
        return
    if config["data"]["source"] != "mini":
        yield (
            "evaluation.holdout: TOFU has no rows that every model has missed; name a file "
            "of such questions and answers, or set evaluation.membership to []"
        )
    elif not config["data"]["mini"]["holdout_authors"]:
        yield (
            "evaluation.membership: data.mini.holdout_authors is 0, so there are no non-members; "
            "ask for at least 1"
        )

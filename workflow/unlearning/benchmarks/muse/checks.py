"""Checks of a config that apply to experiments on MUSE only."""

from collections.abc import Iterator

from unlearning.benchmarks.muse.files import FORGET, split_before
from unlearning.benchmarks.muse.mini import news_size_problems
from unlearning.config.named import uses_base
from unlearning.config.schema import did_you_mean
from unlearning.config.stated import known_methods
from unlearning.config.texts import no_other_answers, no_prompt

# Settings of the evaluation that MUSE does not use, with the value that they must have.
UNUSED_IN_EVALUATION: dict[str, object] = {
    "variant": "official",
    "holdout": None,
    "fluency": False,
    "question": "question",
    "rouge": [],
    # its own limits are constants of the release
    "max_length": 200,
    "generation_tokens": 200,
    "generation_counts": "total",
}


def _data(config: dict) -> Iterator[str]:
    data = config["data"]
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "mini-muse":
        for problem in news_size_problems(**data["mini_muse"]):
            yield f"data.mini_muse: {problem}"
        if not scratch and uses_base(config):
            yield "model: mini-muse is made for a model from random weights; set model.architecture"
    else:
        if data["data_dir"] is None and data["corpus"] is None:
            yield "data.corpus: which of MUSE's corpora on the hub? Set News or Books"
        if scratch:
            yield "model: MUSE has no pre-training texts; set model.path"


def _splits(config: dict) -> Iterator[str]:
    if config["world_splits"] is not None:
        yield "world_splits: MUSE's tables are always written whole; set null"
    if config["forget_splits"] != [FORGET]:
        yield (
            f"forget_splits: MUSE has one, [{FORGET}]; found {config['forget_splits']}. "
            "List larger and later forget sets (scal2, sust2, …) in folds.splits"
        )


def _folds(config: dict) -> Iterator[str]:
    folds, data = config["folds"], config["data"]
    splits, methods = folds["splits"], list(config["methods"])
    if bool(splits) != bool(folds["methods"]):  # either alone would run nothing, without a word
        yield "folds: splits and methods go together; set both or none"
    for name in folds["methods"]:
        if name not in methods:
            yield (
                f"folds.methods: '{name}' is not among this experiment's methods "
                f"({', '.join(methods)}){did_you_mean(name, methods)}"
            )
    for split in splits:
        earlier = split_before(split)  # `forget` itself always runs
        if earlier not in (None, FORGET, *splits):
            yield f"folds.splits: {split} goes on from {earlier}; list that as well"
    # A folder may hold folds of its own, whatever it calls its corpus.
    hub = data["source"] == "muse" and data["data_dir"] is None
    if splits and hub and data["corpus"] == "Books":
        yield "folds.splits: MUSE-Books has no folds, only News; remove them"
    # a fold's run is set beside, or goes on from, the run of its seed on `forget`
    for seed in folds["seeds"] or []:
        if seed not in config["unlearn"]["seeds"]:
            yield f"folds.seeds: {seed} is not among unlearn.seeds {config['unlearn']['seeds']}"


def _methods(config: dict) -> Iterator[str]:
    yield from no_other_answers(config, "MUSE's forget set is text without questions")
    for method, _, blocks, _ in known_methods(config):
        if any("reference" in block for block in blocks):
            yield f"methods.{method}.reference: only on TOFU and the mini world; remove it"


def _not_on_text(config: dict) -> Iterator[str]:
    if config["relearn"]["methods"]:
        yield (
            "relearn.methods: attacks are judged by TOFU's forget quality, which MUSE does not "
            "have; remove them"
        )
    if config["harness"]["tasks"]:
        yield (
            "harness.tasks: a MUSE report has no table of them; remove them, and evaluate model "
            "folders with `python -m unlearning harness`"
        )
    if config["finetune"]["replay_rows"]:
        yield "finetune.replay_rows: MUSE worlds have no replay table; set 0"
    for key, unset in UNUSED_IN_EVALUATION.items():
        value = config["evaluation"][key]
        if value != unset:
            yield f"evaluation.{key}: MUSE is evaluated as released; remove it, found {value!r}"
    yield from no_prompt(config, "MUSE has its own prompts")


CHECKS = (_data, _splits, _folds, _methods, _not_on_text)

"""Checks of a config that apply to experiments on your own data only."""

from collections.abc import Iterator
from contextlib import suppress

from unlearning.benchmarks.own.data import is_text, read_role
from unlearning.config.question_answering import (
    alternatives_named,
    answers_fit,
    nothing_replayed,
    one_request,
)
from unlearning.config.stated import known_methods
from unlearning.config.texts import no_other_answers, no_prompt
from unlearning.data.tables import DataError
from unlearning.methods.references import RETRAIN

# Settings that the report on your data does not use: the value that they must have, and why.
UNUSED_IN_EVALUATION: dict[str, tuple[object, str]] = {
    "variant": ("official", "formulas of TOFU's report"),
    "rouge": ([], "columns of TOFU's report"),
    "question": ("question", "a column of TOFU's tables"),
}


def _split(config: dict) -> Iterator[str]:
    if config["forget_splits"] != ["forget"]:
        yield (
            "forget_splits: your own data have one, [forget], the rows of data.forget; found "
            f"{config['forget_splits']}. Unlearn other rows in another config"
        )
    if config["world_splits"] is not None:
        yield "world_splits: your own data have one forget set; set null"


def _models(config: dict) -> Iterator[str]:
    if config["retrain"] is not None and config["finetune"] is None:
        yield (
            "retrain: a retrained model is the base fine-tuned on the retain rows; say how in "
            "finetune, and name the base in model.path"
        )
    retrained = _has_retrained(config)
    for method, _, blocks, _ in known_methods(config):
        if not retrained and RETRAIN in _values(blocks, "reference"):
            yield (
                f"methods.{method}.reference: {RETRAIN} is a retrained model; name one in "
                "retrained, say in retrain and finetune how it is made, or set another reference"
            )
    for key, (unset, reason) in UNUSED_IN_EVALUATION.items():
        value = config["evaluation"][key]
        if value != unset:
            yield f"evaluation.{key}: {reason}; remove it, found {value}"


def _has_retrained(config: dict) -> bool:
    return config["retrain"] is not None or config["retrained"] is not None


def _membership(config: dict) -> Iterator[str]:
    evaluation, holdout = config["evaluation"], config["data"]["holdout"]
    # two names for one file: in `data` it is checked beside the others
    if evaluation["holdout"] is not None:
        yield "evaluation.holdout: name your non-members in data.holdout"
    if evaluation["membership"] and holdout is None:
        yield (
            "evaluation.membership: attacks compare forget rows with rows that no model has seen; "
            "name a file of such rows in data.holdout, or set []"
        )
    if "reference" in evaluation["membership"] and not _has_retrained(config):
        yield (
            "evaluation.membership: reference compares with retrained models; remove it, name a "
            "model in retrained, or say in retrain and finetune how to train one"
        )


def file_problems(config: dict) -> Iterator[str]:
    """Messages about settings that the rows of the user's files do not allow."""
    with suppress(DataError, OSError):  # the check of the data reports it
        if is_text(read_role(config["data"], "forget").rows):
            yield from _texts(config)


def _values(blocks: list[dict], key: str) -> list:
    """All values of a hyper-parameter in a method's blocks."""
    values: list = []
    for block in blocks:
        value = block.get(key)
        values += value if isinstance(value, list) else [value]
    return values


def _texts(config: dict) -> Iterator[str]:
    yield from no_prompt(config, "texts have no prompt format")
    yield from no_other_answers(config, "data.forget holds texts")
    if config["relearn"]["methods"] and "shortest" in config["relearn"]["attacks"]:
        yield "relearn.attacks: texts have no shortest answers; set [random]"


CHECKS = (
    *(_split, _models, _membership, one_request, nothing_replayed),
    *(alternatives_named, answers_fit),
)

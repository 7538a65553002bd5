"""Checks of a config that apply to experiments on your own data only."""

from collections.abc import Iterator

from unlearning.benchmarks.own.data import TRAINED_ROLES, is_text, read_role
from unlearning.config.layout import attack_shares
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
        if not retrained and RETRAIN in _values(blocks, "reference", None):
            yield (
                f"methods.{method}.reference: {RETRAIN} is a retrained model; name one in "
                "retrained, say in retrain and finetune how it is made, or set another reference"
            )
    variant = config["evaluation"]["variant"]
    if variant != "official":
        yield f"evaluation.variant: formulas of TOFU's report; remove it, found {variant}"
    question = config["evaluation"]["question"]
    if question != "question":
        yield f"evaluation.question: a column of TOFU's tables; remove it, found {question}"


def _has_retrained(config: dict) -> bool:
    """Whether the config trains or names retrained models."""
    return config["retrain"] is not None or config["retrained"] is not None


def _membership(config: dict) -> Iterator[str]:
    evaluation, holdout = config["evaluation"], config["data"]["holdout"]
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
    try:
        forget, retain = (read_role(config["data"], role).rows for role in TRAINED_ROLES)
    except (DataError, OSError):  # the check of the data reports it
        return
    if is_text(forget):
        yield from _texts(config)
        return  # the number of sequences in texts depends on the tokenizer
    unlearn = config["unlearn"]
    # A method may have epochs of its own, as many as it has values of them.
    for _, _, blocks, _ in known_methods(config):
        for epochs in _values(blocks, "epochs", unlearn["epochs"]):
            yield from _no_batch("unlearn", {**unlearn, "epochs": epochs}, len(forget))
    if config["finetune"] is not None:
        # A retrained model learns the retain rows alone, the fewest of all fine-tuned models.
        rows = len(retain) + (0 if config["retrain"] is not None else len(forget))
        yield from _no_batch("finetune", config["finetune"], rows)
    if config["relearn"]["methods"]:
        share = min(attack_shares(config["relearn"]).values())
        rows = max(1, round(share * len(forget)))  # as stage relearn counts them
        yield from _no_batch("relearn", config["relearn"], rows)


def _values(blocks: list[dict], key: str, default) -> list:
    """All values of a hyper-parameter in a method's blocks."""
    values = []
    for block in blocks:
        value = block.get(key, default)
        values += value if isinstance(value, list) else [value]
    return values


def _no_batch(section: str, recipe: dict, rows: int) -> Iterator[str]:
    """A message if there are too few rows for a single step."""
    if int(recipe["epochs"] * rows) < recipe["batch_size"]:
        yield (
            f"{section}.batch_size: {recipe['epochs']:g} epochs of {rows} rows give no full batch "
            f"of {recipe['batch_size']}; lower it or raise epochs"
        )


def _texts(config: dict) -> Iterator[str]:
    """Messages about settings that texts do not allow."""
    yield from no_prompt(config, "texts have no prompt format")
    yield from no_other_answers(config, "data.forget holds texts")
    if config["relearn"]["methods"] and "shortest" in config["relearn"]["attacks"]:
        yield "relearn.attacks: texts have no shortest answers; set [random]"


CHECKS = (
    _split,
    _models,
    _membership,
    one_request,
    nothing_replayed,
    alternatives_named,
    answers_fit,
)

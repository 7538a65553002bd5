"""What holds for experiments on your own data alone."""

from collections.abc import Iterator

from unlearning.benchmarks.own.data import LEARNT, is_text, read_role
from unlearning.config.layout import attack_shares
from unlearning.config.question_answering import (
    alternatives_named,
    answers_fit,
    nothing_replayed,
    one_request,
)
from unlearning.config.stated import known_methods
from unlearning.data.tables import DataError
from unlearning.methods.references import RETRAIN

ON_TEXTS = {"forget", "retain"}  # roles that texts can fill


def _split(config: dict) -> Iterator[str]:
    if config["forget_splits"] != ["forget"]:
        yield (
            "forget_splits: your own data have one, [forget], the rows of data.forget; found "
            f"{config['forget_splits']}. Unlearn others in a config of their own"
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
    for method, _, listed, _ in known_methods(config):
        if not retrained and RETRAIN in _values(listed, "reference", None):
            yield (
                f"methods.{method}.reference: {RETRAIN} is a retrained model; name one in "
                "retrained, say in retrain and finetune how it is made, or take another"
            )
    variant = config["evaluation"]["variant"]
    if variant != "official":
        yield f"evaluation.variant: formulas of TOFU's report; remove it, found {variant}"
    question = config["evaluation"]["question"]
    if question != "question":
        yield f"evaluation.question: a column of TOFU's tables; remove it, found {question}"


def _has_retrained(config: dict) -> bool:
    """Whether retrained models are made or named."""
    return config["retrain"] is not None or config["retrained"] is not None


def _membership(config: dict) -> Iterator[str]:
    evaluation, holdout = config["evaluation"], config["data"]["holdout"]
    if evaluation["holdout"] is not None:
        yield "evaluation.holdout: name your non-members in data.holdout"
    if evaluation["membership"] and holdout is None:
        yield (
            "evaluation.membership: attacks compare forget rows with rows that no model has seen; "
            "name a file of such in data.holdout, or set []"
        )
    if "reference" in evaluation["membership"] and not _has_retrained(config):
        yield (
            "evaluation.membership: reference compares with retrained models; remove it, name one "
            "in retrained, or say in retrain and finetune how they are made"
        )


def file_problems(config: dict) -> Iterator[str]:
    """What cannot be done with the rows that the files hold."""
    try:
        forget, retain = (read_role(config["data"], role).rows for role in LEARNT)
    except (DataError, OSError):  # told where data are checked
        return
    if is_text(forget):
        yield from _texts(config)
        return  # how many sequences they make depends on the tokenizer
    unlearn = config["unlearn"]
    for _, _, listed, _ in known_methods(config):
        for epochs in _values(listed, "epochs", unlearn["epochs"]):
            yield from _no_batch("unlearn", {**unlearn, "epochs": epochs}, len(forget))
    if config["finetune"] is not None:
        rows = len(retain) + (len(forget) if config["retrain"] is None else 0)
        yield from _no_batch("finetune", config["finetune"], rows)
    if config["relearn"]["methods"]:
        least = min(attack_shares(config["relearn"]).values())
        rows = max(1, round(least * len(forget)))  # as stage relearn counts them
        yield from _no_batch("relearn", config["relearn"], rows)


def _values(listed: list[dict], key: str, default) -> list:
    """What a method's blocks state for a hyper-parameter."""
    values = []
    for block in listed:
        value = block.get(key, default)
        values += value if isinstance(value, list) else [value]
    return values


def _no_batch(section: str, recipe: dict, rows: int) -> Iterator[str]:
    """Too few rows for a single step."""
    if int(recipe["epochs"] * rows) < recipe["batch_size"]:
        yield (
            f"{section}.batch_size: {recipe['epochs']:g} epochs of {rows} rows give no full batch "
            f"of {recipe['batch_size']}; lower it or raise epochs"
        )


def _texts(config: dict) -> Iterator[str]:
    """What cannot be done with texts."""
    if config["model"]["prompt"] != "plain":
        yield (
            f"model.prompt: texts are read as they are, without a prompt; set plain, found "
            f"{config['model']['prompt']}"
        )
    for method, used, _, _ in known_methods(config):
        if any(set(term.roles) - ON_TEXTS for term in used):
            yield (
                f"methods.{method}: answers questions with other answers, but data.forget holds "
                "texts; remove it"
            )
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

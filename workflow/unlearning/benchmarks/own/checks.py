"""What holds for experiments on your own data alone."""

from collections.abc import Iterator

from unlearning.config.question_answering import (
    alternatives_named,
    answers_fit,
    nothing_replayed,
    one_request,
)


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
    variant = config["evaluation"]["variant"]
    if variant != "official":
        yield f"evaluation.variant: formulas of TOFU's report; remove it, found {variant}"


def _membership(config: dict) -> Iterator[str]:
    evaluation, holdout = config["evaluation"], config["data"]["holdout"]
    if evaluation["holdout"] is not None:
        yield "evaluation.holdout: name your non-members in data.holdout"
    if evaluation["membership"] and holdout is None:
        yield (
            "evaluation.membership: attacks compare forget rows with rows that no model has seen; "
            "name a file of such in data.holdout, or set []"
        )
    retrained = (config["retrain"], config["retrained"])
    if "reference" in evaluation["membership"] and retrained == (None, None):
        yield "evaluation.membership: reference compares with retrained models; remove it"


CHECKS = (
    _split,
    _models,
    _membership,
    one_request,
    nothing_replayed,
    alternatives_named,
    answers_fit,
)

"""Checks of a config that apply to experiments on WMDP only."""

from collections.abc import Iterator

from unlearning.benchmarks.wmdp.files import FORGET
from unlearning.benchmarks.wmdp.mini import hazard_size_problems
from unlearning.config.stated import known_methods
from unlearning.config.texts import no_other_answers, no_prompt

# section of the config that a WMDP experiment does not use -> why
UNUSED = {
    "target": "the base model is the target: name it in model.path",
    "retrained": "there is no model without the knowledge to compare with",
    "finetune": "the base model is unlearned as it is",
    "retrain": "nothing is retrained: there is no model without the knowledge",
    "relearn": "attacks are judged by TOFU's forget quality",
    "folds": "only MUSE has folds",
    "evaluation": "models are evaluated by accuracies on harness tasks only",
    "metrics": "models are evaluated by accuracies on harness tasks only",
}
_TASKS = ("wmdp_bio", "wmdp_cyber", "mmlu")


def _data(config: dict) -> Iterator[str]:
    data = config["data"]
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "mini-wmdp":
        for problem in hazard_size_problems(**data["mini_wmdp"]):
            yield f"data.mini_wmdp: {problem}"
        if not scratch:
            yield "model: mini-wmdp is made for a model from random weights; set model.architecture"
    elif scratch:
        yield "model: WMDP has no pre-training texts; set model.path"


def _splits(config: dict) -> Iterator[str]:
    if config["world_splits"] is not None:
        yield "world_splits: WMDP's tables are those of forget_splits; set null"
    for split in config["forget_splits"]:
        if split not in FORGET:
            forget = ", ".join(FORGET)
            yield f"forget_splits: WMDP's forget corpora are {forget}; found '{split}'"


def _tasks(config: dict) -> Iterator[str]:
    harness = config["harness"]
    if config["data"]["source"] == "mini-wmdp":
        # WMDP's own questions would be about hazards of which the miniature's model knows nothing.
        for key in ("tasks", "include_path"):
            if harness[key]:
                yield (
                    f"harness.{key}: mini-wmdp brings its own tasks; remove it, found "
                    f"{harness[key]!r}"
                )
        return
    # further tasks are welcome: the table of results has a column for each
    missing = [task for task in _TASKS if task not in harness["tasks"]]
    if missing:
        yield (
            f"harness.tasks: WMDP is measured by {', '.join(_TASKS)}; add {', '.join(missing)}, "
            f"found {harness['tasks']}"
        )


def _methods(config: dict) -> Iterator[str]:
    yield from no_other_answers(config, "WMDP's forget set is documents without questions")
    for method, _, blocks, _ in known_methods(config):
        if any("reference" in block for block in blocks):
            yield f"methods.{method}.reference: WMDP's reference is the base model; remove it"


def _trajectory(config: dict) -> Iterator[str]:
    if config["unlearn"]["trajectory"]:
        yield "unlearn.trajectory: accuracies on harness tasks are measured at the end only; set []"
    yield from no_prompt(config, "documents and harness tasks have no prompt format")


CHECKS = (_data, _splits, _tasks, _methods, _trajectory)

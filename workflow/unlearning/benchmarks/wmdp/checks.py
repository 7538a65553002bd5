"""What holds for experiments on WMDP alone."""

from collections.abc import Iterator

from unlearning.benchmarks.wmdp.files import FORGET
from unlearning.benchmarks.wmdp.mini import hazard_size_problems
from unlearning.config.stated import known_methods

# sections for what a WMDP experiment does not do
UNUSED = {
    "target": "the base model is the target: name it in model.path",
    "retrained": "no model without the knowledge is compared with",
    "finetune": "the base model is unlearned as it is",
    "retrain": "nothing is retrained: no model without the knowledge is to be had",
    "relearn": "attacks are judged by TOFU's forget quality",
    "folds": "only MUSE has folds",
    "evaluation": "accuracies on harness tasks are all that is evaluated",
    "metrics": "accuracies on harness tasks are all that is evaluated",
}


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
    for split in config["forget_splits"]:
        if split not in FORGET:
            forget = ", ".join(FORGET)
            yield f"forget_splits: WMDP's forget corpora are {forget}; found '{split}'"


def _tasks(config: dict) -> Iterator[str]:
    harness, tasks = config["harness"], ["wmdp_bio", "wmdp_cyber", "mmlu"]
    if config["data"]["source"] == "mini-wmdp":
        for key in ("tasks", "include_path"):
            if harness[key]:
                yield (
                    f"harness.{key}: mini-wmdp brings its own tasks; remove it, found "
                    f"{harness[key]!r}"
                )
    elif missing := [task for task in tasks if task not in harness["tasks"]]:
        yield (
            f"harness.tasks: WMDP is measured by {', '.join(tasks)}; add {', '.join(missing)}, "
            f"found {harness['tasks']}"
        )


def _methods(config: dict) -> Iterator[str]:
    for method, used, listed, _ in known_methods(config):
        if any(set(term.roles) - {"forget", "retain"} for term in used):
            yield (
                f"methods.{method}: answers questions with other answers, but WMDP's forget set is "
                "documents without questions; remove it"
            )
        if any("reference" in block for block in listed):
            yield f"methods.{method}.reference: WMDP's reference is the base model; remove it"


def _trajectory(config: dict) -> Iterator[str]:
    if config["unlearn"]["trajectory"]:
        yield "unlearn.trajectory: accuracies on harness tasks are taken at the end alone; set []"


def _prompt(config: dict) -> Iterator[str]:
    prompt = config["model"]["prompt"]
    if prompt != "plain":
        yield (
            f"model.prompt: documents and harness tasks have no prompt format; set plain, found "
            f"{prompt}"
        )


CHECKS = (_data, _splits, _tasks, _methods, _trajectory, _prompt)

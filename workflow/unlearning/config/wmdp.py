"""What holds for experiments on WMDP alone."""

from unlearning.config.layout import blocks
from unlearning.data.splits import WMDP_FORGET, WMDP_SOURCES
from unlearning.data.world import hazard_size_problems
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.registry import names, terms

# sections for what a WMDP experiment does not do
_UNUSED = {
    "finetune": "the base model is unlearned as it is",
    "retrain": "nothing is retrained: no model without the knowledge is to be had",
    "relearn": "attacks are judged by TOFU's forget quality",
    "folds": "only MUSE has folds",
    "evaluation": "accuracies on harness tasks are all that is evaluated",
}
_FOR_OTHERS = ("corpus", "retain_authors", "idontknow", "alternatives")


def unused_sections(config: dict) -> list[str]:
    """Sections that a config as its user wrote it states in vain."""
    source = config["data"]["source"]
    return [
        f"{section}: not for data.source {source} ({reason}); remove it"
        for section, reason in _UNUSED.items()
        if source in WMDP_SOURCES and section in config
    ]


def wmdp_problems(config: dict) -> list[str]:
    """Every problem of a WMDP experiment that the schema accepts."""
    return [*_data(config), *_splits(config), *_tasks(config), *_methods(config)]


def _data(config: dict) -> list[str]:
    data, problems, unused = config["data"], [], list(_FOR_OTHERS)
    scratch = config["model"]["architecture"] is not None
    if data["source"] == "mini-wmdp":
        found = hazard_size_problems(**data["mini_wmdp"])
        problems += [f"data.mini_wmdp: {problem}" for problem in found]
        unused.append("data_dir")
        if not scratch:
            problems.append(
                "model: mini-wmdp is made for a model from random weights; set model.architecture"
            )
    else:
        if scratch:
            problems.append("model: WMDP has no pre-training texts; set model.path")
        if data["hub_revision"] != "main":
            problems.append(
                f"data.hub_revision: WMDP's corpora lie in several repositories; remove it, found "
                f"{data['hub_revision']!r}"
            )
    return problems + [
        f"data.{key}: not for data.source {data['source']}, found {data[key]!r}"
        for key in unused
        if data[key] is not None
    ]


def _splits(config: dict) -> list[str]:
    return [
        f"forget_splits: WMDP's forget corpora are {', '.join(WMDP_FORGET)}; found '{split}'"
        for split in config["forget_splits"]
        if split not in WMDP_FORGET
    ]


def _tasks(config: dict) -> list[str]:
    asked, tasks = config["harness"]["tasks"], ["wmdp_bio", "wmdp_cyber", "mmlu"]
    if config["data"]["source"] == "mini-wmdp":
        stated = {key: config["harness"][key] for key in ("tasks", "include_path")}
        return [
            f"harness.{key}: mini-wmdp brings its own tasks; remove it, found {value!r}"
            for key, value in stated.items()
            if value
        ]
    missing = [task for task in tasks if task not in asked]
    if not missing:
        return []
    return [
        f"harness.tasks: WMDP is measured by {', '.join(tasks)}; add {', '.join(missing)}, found "
        f"{asked}"
    ]


def _methods(config: dict) -> list[str]:
    problems = []
    losses, _ = own_methods(config["methods"])
    for method in config["methods"]:
        used = terms(method, losses) if method in names(losses) else ()
        if any(set(term.roles) - {"forget", "retain"} for term in used if term is not None):
            problems.append(
                f"methods.{method}: answers questions with other answers, but WMDP's forget set is "
                "documents without questions; remove it"
            )
        if any("reference" in block for block in blocks(hyper_block(config["methods"][method]))):
            problems.append(
                f"methods.{method}.reference: WMDP's reference is the base model; remove it"
            )
    if config["unlearn"]["trajectory"]:
        problems.append(
            "unlearn.trajectory: accuracies on harness tasks are taken at the end alone; set []"
        )
    if config["model"]["prompt"] != "plain":
        problems.append(
            f"model.prompt: documents and harness tasks have no prompt format; set plain, found "
            f"{config['model']['prompt']}"
        )
    return problems

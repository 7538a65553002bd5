"""Evaluate models on tasks of lm-evaluation-harness: WMDP, MMLU, any other, the user's own.

lm_eval is optional and slow to import, so functions import it. Tasks are zero-shot and without a
chat template by default, as in the SimNPO code.
"""

import difflib
import hashlib
import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unlearning.errors import UserError

KINDS = ("multiple_choice", "generate_until", "loglikelihood", "loglikelihood_rolling")
INSTALL = "pip install --constraint envs/constraints.txt '.[harness]'"


def install_hint() -> str | None:
    """How to install lm_eval, or None if it is installed; does not import it."""
    if find_spec("lm_eval") is not None:
        return None
    return f"lm-evaluation-harness (the Python package lm_eval) is not installed. Run: {INSTALL}"


def load_tasks(names: list[str], include_path: str | None) -> dict[str, list]:
    """Task name -> its lm_eval objects, with their data: one task or group, or the tasks of a tag.

    UserError for an unknown name, a task with unsafe code or a remote metric, two names that
    contain the same task, and data that cannot be loaded.
    """
    manager = _manager(names, include_path)
    named_by: dict[str, str] = {}  # task -> the name in harness.tasks that contains it
    for name in names:
        for task, settings in _find_tasks(name, manager, include_path):
            _check(task, settings)  # before its functions are imported
            first_name = named_by.setdefault(task, name)
            if first_name != name:
                raise UserError(
                    f"harness.tasks: '{first_name}' and '{name}' both hold '{task}'. Name one of "
                    "them; the record has the scores of each member of a group too"
                )
    return {name: _load(name, manager) for name in names}


def datasets_of(names: list[str], include_path: str | None) -> list[tuple[str, str]]:
    """The tasks' (dataset, configuration) for the datasets library, sorted; UserError if lm_eval is
    not installed or a name is unknown."""
    manager = _manager(names, include_path)
    datasets = set()
    for name in names:
        for _, settings in _find_tasks(name, manager, include_path):
            path, configuration = settings.get("dataset_path"), settings.get("dataset_name")
            datasets.add((path or "", configuration or ""))
    return sorted(datasets)


def _manager(names: list[str], include_path: str | None):
    """lm_eval's index of tasks; UserError if lm_eval is not installed.

    Its built-in tasks take ten seconds to list, so the index is without them where the user's own
    folder has every name.
    """
    if (problem := install_hint()) is not None:
        raise UserError(problem)
    from lm_eval.tasks import TaskManager

    if include_path is not None:
        manager = TaskManager(include_path=include_path, include_defaults=False)
        if set(names) <= set(manager.task_index):
            return manager
    return TaskManager(include_path=include_path)


def _find_tasks(name: str, manager, include_path: str | None) -> list[tuple[str, dict]]:
    """(name, settings) of the tasks that a name stands for; UserError if it is unknown."""
    if name not in manager.task_index:
        close = ", ".join(difflib.get_close_matches(name, manager.all_tasks, n=3))
        raise UserError(
            f"harness.tasks: the harness has no task '{name}'{close and '; close: ' + close}. A "
            "task of your own is a readable YAML file in harness.include_path, found "
            f"{include_path!r}"
        )
    return _expand(name, {}, manager.task_index)


def _expand(name: str, changes: dict, index: dict) -> list[tuple[str, dict]]:
    """(name, settings) of each task in a task, group or tag, without loading any; `changes`
    override its settings."""
    # Tasks nest: a group names tasks, groups or tags, inline or by name, and may change settings.
    entry = index.get(name)
    if entry and entry.cfg is None:
        members: list | None = sorted(entry.tags)
        settings = changes
    else:
        settings = {**(entry.cfg or {}), **changes} if entry else changes
        members = settings.get("task")
    if not isinstance(members, list):
        return [(name, settings)]
    tasks = []
    for member in members:
        if isinstance(member, dict):  # a member whose group changes its settings
            overrides = {key: value for key, value in member.items() if key != "group"}
            name_of_member = member["task"] if "task" in member else member["group"]
            tasks += _expand(name_of_member, overrides, index)
        else:
            tasks += _expand(member, {}, index)
    return tasks


def _check(task: str, settings: dict) -> None:
    """UserError for a task that runs a model's output, has an unknown kind or takes a metric from
    the hub."""
    if settings.get("class") is not None:  # a Python class has no such settings
        return
    kind, problem = settings.get("output_type"), None
    if settings.get("unsafe_code"):
        problem = "is marked unsafe_code: it would run what a model wrote, which is refused here"
    elif kind not in KINDS:
        problem = f"has output_type {kind!r}, which is none of {', '.join(KINDS)}"
    elif remote := _remote_metrics(settings):
        problem = (
            f"reports {', '.join(remote)}: a metric that is not the harness's own is remote code"
        )
    if problem:
        raise UserError(f"harness.tasks: '{task}' {problem}. Choose another task")


def _remote_metrics(settings: dict) -> list[str]:
    """The metrics of a task that the harness would load from the hub."""
    import lm_eval.api.metrics  # noqa: F401  fills the registry
    from lm_eval.api.registry import METRIC_REGISTRY

    if settings.get("process_results") is not None:  # the task's own function computes them
        return []
    remote = []
    for entry in settings.get("metric_list") or []:
        name = str(entry["metric"])
        # a !function of the task's folder has become an absolute path
        local = name in METRIC_REGISTRY or Path(name).is_absolute()
        if entry.get("hf_evaluate") or not local:
            remote.append(name)
    return remote


def _load(name: str, manager) -> list:
    """The lm_eval objects of a name, with their data."""
    try:
        loaded = manager.load([name])
    except Exception as error:  # of the datasets library, the hub client or the task's own code
        raise UserError(
            f"cannot load the data of harness task '{name}': {type(error).__name__}: {error}. "
            "Without a network, run `make assets CONFIG=… ARGS=--download` where there is one, "
            "with HF_HOME set to a folder that this machine reads too; or name a task with local "
            "data in harness.include_path"
        ) from error
    group = loaded["groups"].get(name)
    if group is not None and not group.has_aggregation:
        raise UserError(
            f"harness.tasks: the group '{name}' has no accuracy of its own. Name its members: "
            f"{', '.join(group.child_names)}"
        )
    return list(loaded["tasks"].values()) if group is None else [group]


def evaluate(
    model,
    tokenizer,
    tasks: dict[str, list],
    limit: int | None,
    batch_size: int,
    num_fewshot: int | None = 0,
    chat_template: bool = False,
) -> dict:
    """Evaluate one model on the tasks that load_tasks returned; the record of the result.

    Its `tasks` are the scores of every requested task (_scores), its `parts` those of each task in
    a group. limit: only the first documents of each task. num_fewshot: examples before each
    question; None leaves the number to each task. chat_template: put questions into the tokenizer's
    chat template; UserError if it has none.
    """
    if chat_template and not tokenizer.chat_template:
        raise UserError(
            "harness.chat_template: the model's tokenizer has no chat template; set it to false"
        )
    import lm_eval
    from lm_eval import evaluator
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    # it asks pip and others about hardware and packages, which takes a second and stays unread
    evaluator.add_env_info = lambda results: None
    objects: dict[int, Any] = {}  # by identity: two tags may share a task
    for members in tasks.values():
        objects.update((id(member), member) for member in members)
    results = evaluator.simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size),
        tasks=list(objects.values()),
        task_manager=TaskManager(include_defaults=False),  # else it lists all its tasks: 7 seconds
        num_fewshot=num_fewshot,
        limit=limit,
        log_samples=False,
        apply_chat_template=chat_template,
    )
    scores: dict[str, dict] = {}
    parts: dict[str, dict] = {}
    names = {_name(task) for task in objects.values()}
    for task in objects.values():
        scores |= _scores(task, results)
        # a member that is named for itself, too, has its scores there
        for member in _members(task):
            if member.task_name not in names:
                parts |= _scores(member, results)
    return {
        "lm_eval": lm_eval.__version__,
        "num_fewshot": num_fewshot,
        "chat_template": chat_template,
        "limit": limit,
        "tasks": scores,
        "parts": parts,
    }


def _name(task) -> str:
    """Name of a task or group; only a task has task_name."""
    return task.task_name if hasattr(task, "task_name") else task.name


def _members(task) -> list:
    """The tasks of a group, or the task itself."""
    return task.get_all_tasks() if hasattr(task, "get_all_tasks") else [task]


def _scores(task, results: dict) -> dict[str, dict]:
    """The scores of a task or group: its accuracy, under its name, or, if it has none, each of its
    metrics, under "NAME METRIC FILTER" (a filter extracts the answer from a generated text).

    accuracy: the metric's value, as the harness scales it. stderr: its standard error, or None.
    better: higher, lower, or "" if the harness does not say. asked: a digest (_digest).
    """
    name, members = _name(task), _members(task)
    # the harness's keys are "METRIC,FILTER" and "METRIC_stderr,FILTER", among others
    values = results["results"][name]
    metrics = {}
    for key, value in values.items():
        metric, comma, answer_filter = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            metrics[metric, answer_filter] = value
    # "acc" is what papers report; acc_norm and others beside it would be further columns
    accuracies = [key for key in metrics if key[0] == "acc"]

    better = results["higher_is_better"].get(name, {})
    documents = sum(results["n-samples"][member.task_name]["effective"] for member in members)
    digest = _digest(members)
    scores = {}
    for metric, answer_filter in accuracies[:1] or metrics:
        label = name
        if not accuracies:
            label += f" {metric}" if answer_filter == "none" else f" {metric} {answer_filter}"
        error = values.get(f"{metric}_stderr,{answer_filter}")  # "N/A" where there is none
        scores[label] = {
            "metric": metric,
            "accuracy": float(metrics[metric, answer_filter]),
            "stderr": error if isinstance(error, float) and math.isfinite(error) else None,
            "better": {True: "higher", False: "lower", None: ""}[better.get(metric)],
            "documents": documents,
            "version": results["versions"].get(name),
            "asked": digest,
        }
    return scores


def _digest(tasks: list) -> str:
    """Twelve hex digits over prompts, choices and right answers: equal if the questions are."""
    # of the questions as they were asked: versions of a task may differ in them
    digest = hashlib.sha256()
    for task in sorted(tasks, key=lambda task: task.task_name):
        for instance in task.instances:
            target = task.doc_to_target(instance.doc)
            digest.update(json.dumps([instance.args, target], default=str).encode())
    return digest.hexdigest()[:12]

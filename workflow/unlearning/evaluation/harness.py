"""Tasks of lm-evaluation-harness: WMDP, MMLU, any other, the user's own.

lm_eval is optional and slow to import, so it is imported where it is used. By default zero-shot
and without a chat template, as the SimNPO code calls it.
"""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from unlearning.errors import UserError

KINDS = ("multiple_choice", "generate_until", "loglikelihood", "loglikelihood_rolling")
INSTALL = "pip install --constraint envs/constraints.txt '.[harness]'"


def install_hint() -> str | None:
    """What to do where lm_eval is not installed; None where it is. Imports nothing of it."""
    if find_spec("lm_eval") is not None:
        return None
    return f"lm-evaluation-harness (the Python package lm_eval) is not installed. Run: {INSTALL}"


def load_tasks(names: list[str], include_path: str | None) -> dict[str, list]:
    """Task name -> its objects: one task or group, or the tasks of a tag; their data are loaded.

    UserError for a name that is unknown, a task that says that it runs unsafe code or whose metric
    is remote code, two names that hold the same task, and data that cannot be loaded.
    """
    if (problem := install_hint()) is not None:
        raise UserError(problem)
    manager = _manager(names, include_path)
    holders: dict[str, str] = {}
    for name in names:
        for task, settings in _asked(name, manager, include_path):
            _check(task, settings)  # before its functions are imported
            if (other := holders.setdefault(task, name)) != name:
                raise UserError(
                    f"harness.tasks: '{other}' and '{name}' both hold '{task}'. Name one of them; "
                    "the scores of each member are written beside those of its group"
                )
    return {name: _load(name, manager) for name in names}


def datasets_of(names: list[str], include_path: str | None) -> list[tuple[str, str]]:
    """(dataset, configuration) of the tasks, as the datasets library is asked for them, sorted.

    UserError where lm_eval is not installed, and for a name that is unknown.
    """
    if (problem := install_hint()) is not None:
        raise UserError(problem)
    manager = _manager(names, include_path)
    tasks = [task for name in names for task in _asked(name, manager, include_path)]
    keys = ("dataset_path", "dataset_name")
    return sorted({tuple(settings.get(key) or "" for key in keys) for _, settings in tasks})


def _manager(names: list[str], include_path: str | None):
    """The tasks that lm_eval knows. Those that it brings take ten seconds to list: they are left
    out where the user's own folder has every name."""
    from lm_eval.tasks import TaskManager

    if include_path is not None:
        own = TaskManager(include_path=include_path, include_defaults=False)
        if set(names) <= set(own.task_index):
            return own
    return TaskManager(include_path=include_path)


def _asked(name: str, manager, include_path: str | None) -> list[tuple[str, dict]]:
    if name not in manager.task_index:
        raise UserError(_unknown(name, manager.all_tasks, include_path))
    return _members(name, {}, manager.task_index)


def _unknown(name: str, known: list[str], include_path: str | None) -> str:
    close = ", ".join(difflib.get_close_matches(name, known, n=3))
    return (
        f"harness.tasks: the harness has no task '{name}'{close and '; close: ' + close}. A task "
        f"of your own is a readable YAML file in harness.include_path, found {include_path!r}"
    )


def _members(name: str, changes: dict, index: dict) -> list[tuple[str, dict]]:
    """(name, settings) of every task that a task, group or tag stands for; nothing is loaded."""
    entry = index.get(name)
    settings = {**(entry.cfg or {}), **changes} if entry else changes
    inside = sorted(entry.tags) if entry and entry.cfg is None else settings.get("task")
    if not isinstance(inside, list):
        return [(name, settings)]
    found = []
    for member in inside:
        own = member if isinstance(member, dict) else {}
        member = own.get("task", own.get("group")) if own else member
        found += _members(member, {k: v for k, v in own.items() if k != "group"}, index)
    return found


def _check(task: str, settings: dict) -> None:
    """UserError for a task that runs what a model wrote, is of an unknown kind or takes a metric
    from the hub."""
    if settings.get("class") is not None:  # a task that is a Python class says the rest itself
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
    """Metrics of a task that the harness would load from the hub."""
    import lm_eval.api.metrics  # noqa: F401  fills the registry
    from lm_eval.api.registry import METRIC_REGISTRY

    if settings.get("process_results") is not None:  # the task's own function computes them
        return []
    remote = []
    for entry in settings.get("metric_list") or []:
        name = str(entry["metric"])
        local = name in METRIC_REGISTRY or Path(name).is_absolute()  # !function, beside the task
        if entry.get("hf_evaluate") or not local:
            remote.append(name)
    return remote


def _load(name: str, manager) -> list:
    try:
        found = manager.load([name])
    except Exception as error:  # of the datasets library, the hub client or the task's own code
        raise UserError(
            f"cannot load the data of harness task '{name}': {type(error).__name__}: {error}. "
            "Without a network, run `make assets CONFIG=… ARGS=--download` where there is one, "
            "with HF_HOME set to a folder that this machine reads too; or name a task with local "
            "data in harness.include_path"
        ) from error
    group = found["groups"].get(name)
    if group is not None and not group.has_aggregation:
        raise UserError(
            f"harness.tasks: the group '{name}' has no accuracy of its own. Name its members: "
            f"{', '.join(group.child_names)}"
        )
    return list(found["tasks"].values()) if group is None else [group]


def evaluate(
    model,
    tokenizer,
    tasks: dict[str, list],
    limit: int | None,
    batch_size: int,
    num_fewshot: int | None = 0,
    chat_template: bool = False,
) -> dict:
    """The record of one model, from what load_tasks returned.

    `tasks` has the scores of every requested task (_scores), `parts` those of each task inside a
    group. limit: only the first documents of each task. num_fewshot: examples before each question;
    None takes what each task says. chat_template: ask through the tokenizer's own; UserError if it
    has none.
    """
    if chat_template and not tokenizer.chat_template:
        raise UserError(
            "harness.chat_template: the model's tokenizer has no chat template; set it to false"
        )
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    objects = list({id(o): o for found in tasks.values() for o in found}.values())
    found = lm_eval.simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size),
        tasks=objects,
        task_manager=TaskManager(include_defaults=False),  # else it lists all its tasks: 7 seconds
        num_fewshot=num_fewshot,
        limit=limit,
        log_samples=False,
        apply_chat_template=chat_template,
    )
    parts = {leaf.task_name: leaf for o in objects for leaf in _leaves(o)}
    named = {_name(o): o for o in objects}
    return {
        "lm_eval": lm_eval.__version__,
        "num_fewshot": num_fewshot,
        "chat_template": chat_template,
        "limit": limit,
        "tasks": _all_scores(named.values(), found),
        "parts": _all_scores((leaf for n, leaf in parts.items() if n not in named), found),
    }


def _name(thing) -> str:
    """Name of a task or group; only a task has task_name."""
    return thing.task_name if hasattr(thing, "task_name") else thing.name


def _leaves(thing) -> list:
    """The tasks of a group, or the task itself."""
    return thing.get_all_tasks() if hasattr(thing, "get_all_tasks") else [thing]


def _all_scores(things: Iterable, found: dict) -> dict[str, dict]:
    """The scores of tasks and groups, one after the other."""
    scores = {}
    for thing in things:
        scores |= _scores(thing, found)
    return scores


def _scores(thing, found: dict) -> dict[str, dict]:
    """What a task or group reports: its accuracy, under its name, or, where it has none, each of
    its metrics, under "NAME METRIC FILTER" (a filter is what takes an answer out of a text).

    accuracy: the metric's value, as the harness scales it. stderr: its standard error, None where
    there is none. better: higher, lower, or "" where the harness does not say. asked: a digest.
    """
    name, leaves = _name(thing), _leaves(thing)
    values = found["results"][name]
    reported = {}  # (metric, filter) -> value
    for key, value in values.items():
        metric, comma, taken = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            reported[metric, taken] = value
    accuracies = [key for key in reported if key[0] == "acc"]
    better = found["higher_is_better"].get(name, {})
    same = {
        "documents": sum(found["n-samples"][leaf.task_name]["effective"] for leaf in leaves),
        "version": found["versions"].get(name),
        "asked": _digest(leaves),
    }
    scores = {}
    for metric, taken in accuracies[:1] or reported:
        words = [name] if accuracies else [name, metric, *([taken] if taken != "none" else [])]
        error = values.get(f"{metric}_stderr,{taken}")
        scores[" ".join(words)] = {
            "metric": metric,
            "accuracy": float(reported[metric, taken]),
            "stderr": error if isinstance(error, float) and math.isfinite(error) else None,
            "better": {True: "higher", False: "lower", None: ""}[better.get(metric)],
            **same,
        }
    return scores


def _digest(leaves: list) -> str:
    """Twelve hex digits over prompts, choices and right answers: equal if the same was asked."""
    digest = hashlib.sha256()
    for leaf in sorted(leaves, key=lambda task: task.task_name):
        for asked in leaf.instances:
            right = leaf.doc_to_target(asked.doc)
            digest.update(json.dumps([asked.args, right], default=str).encode())
    return digest.hexdigest()[:12]

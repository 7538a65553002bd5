"""Multiple-choice accuracy through lm-evaluation-harness: WMDP, MMLU, the user's own tasks.

lm_eval is optional and slow to import, so it is imported where it is used. Zero-shot and without
a chat template, as the SimNPO code calls it.
"""

import difflib
import hashlib
import json
from importlib.util import find_spec

from unlearning.errors import UserError

INSTALL = "pip install --constraint envs/constraints.txt '.[harness]'"


def install_hint() -> str | None:
    """What to do where lm_eval is not installed; None where it is. Imports nothing of it."""
    if find_spec("lm_eval") is not None:
        return None
    return f"lm-evaluation-harness (the Python package lm_eval) is not installed. Run: {INSTALL}"


def load_tasks(names: list[str], include_path: str | None) -> dict[str, list]:
    """Task name -> its objects: one task or group, or the tasks of a tag; their data are loaded.

    UserError for a name that is unknown, a task that is no multiple choice or says that it runs
    unsafe code, two names that hold the same task, and data that cannot be loaded.
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
                    "the accuracy of each member is written beside that of its group"
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
    """UserError unless the task is a multiple choice whose metrics need no remote code."""
    import lm_eval.api.metrics  # noqa: F401  fills the registry
    from lm_eval.api.registry import METRIC_REGISTRY

    reported = settings.get("metric_list") or [{"metric": "acc"}]
    names = [entry["metric"] for entry in reported]
    kind, problem = settings.get("output_type"), None
    if settings.get("unsafe_code"):
        problem = "is marked unsafe_code: it would run what a model wrote, which is refused here"
    elif kind != "multiple_choice" or "acc" not in names:
        problem = f"has output_type {kind!r} and reports {', '.join(names)}"
        problem += "; what is taken here is the accuracy (acc) of multiple_choice"
    elif any(
        entry.get("hf_evaluate") or entry["metric"] not in METRIC_REGISTRY for entry in reported
    ):
        problem = (
            f"reports {', '.join(names)}: a metric that is not the harness's own is remote code"
        )
    if problem:
        raise UserError(f"harness.tasks: '{task}' {problem}. Choose another task")


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


def evaluate(model, tokenizer, tasks: dict[str, list], limit: int | None, batch_size: int) -> dict:
    """The record of one model, from what load_tasks returned.

    `tasks` has the accuracy of every requested task, `parts` that of each task inside a group. The
    standard error is that of a mean over documents. limit: only the first documents of each task.
    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    objects = list({id(o): o for found in tasks.values() for o in found}.values())
    found = lm_eval.simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size),
        tasks=objects,
        task_manager=TaskManager(include_defaults=False),  # else it lists all its tasks: 7 seconds
        num_fewshot=0,
        limit=limit,
        log_samples=False,
    )
    parts = {leaf.task_name: leaf for o in objects for leaf in _leaves(o)}
    named = {_name(o): o for o in objects}
    return {
        "lm_eval": lm_eval.__version__,
        "num_fewshot": 0,
        "limit": limit,
        "tasks": {name: _scores(o, found) for name, o in named.items()},
        "parts": {n: _scores(leaf, found) for n, leaf in parts.items() if n not in named},
    }


def _name(thing) -> str:
    """Name of a task or group; only a task has task_name."""
    return thing.task_name if hasattr(thing, "task_name") else thing.name


def _leaves(thing) -> list:
    """The tasks of a group, or the task itself."""
    return thing.get_all_tasks() if hasattr(thing, "get_all_tasks") else [thing]


def _scores(thing, found: dict) -> dict:
    """Accuracy, its standard error (None for one document), number, version and digest."""
    name, leaves = _name(thing), _leaves(thing)
    values = found["results"][name]
    key = next(k for k in values if k.startswith("acc,"))  # acc,FILTER
    error = values[key.replace("acc,", "acc_stderr,")]
    return {
        "accuracy": float(values[key]),
        "stderr": error if isinstance(error, float) else None,
        "documents": sum(found["n-samples"][leaf.task_name]["effective"] for leaf in leaves),
        "version": found["versions"].get(name),
        "asked": _digest(leaves),
    }


def _digest(leaves: list) -> str:
    """Twelve hex digits over prompts, choices and right answers: equal if the same was asked."""
    digest = hashlib.sha256()
    for leaf in sorted(leaves, key=lambda task: task.task_name):
        for asked in leaf.instances:
            right = leaf.doc_to_target(asked.doc)
            digest.update(json.dumps([asked.args, right], default=str).encode())
    return digest.hexdigest()[:12]

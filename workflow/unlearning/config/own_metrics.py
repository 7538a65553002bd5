"""Metrics that a config adds: what can be said of them before any job. Nothing of theirs is run."""

import re
from collections.abc import Iterator

from unlearning.benchmark import folder_of, room
from unlearning.user_code import function_arguments

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def own_metric_problems(config: dict) -> Iterator[str]:
    """What is wrong with the metrics that a config adds, before anything is run."""
    functions = config["metrics"]
    if not functions:
        return
    builtin = room(folder_of(config["data"]["source"]), "metrics").METRICS
    for name, function in functions.items():
        where = f"metrics.{name}"
        if not NAME.fullmatch(name):
            yield f"{where}: write lower-case letters, digits and '_', a letter first"
        if name in builtin:
            yield f"{where}: '{name}' is a metric of this benchmark; choose another name"
        arguments, problems = function_arguments(where, function)
        yield from problems
        if arguments is None:
            continue
        # it is called with the rows alone
        positional = [*arguments.posonlyargs, *arguments.args]
        required = len(positional) - len(arguments.defaults)
        if not positional or required > 1 or None in arguments.kw_defaults:
            yield f"{where}: {function} must take the rows, and nothing else without a default"

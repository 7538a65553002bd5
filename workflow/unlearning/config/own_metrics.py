"""Metrics that a config adds: what can be said of them before any job. Nothing of theirs is run."""

import re
from collections.abc import Iterator

from unlearning.benchmark import folder_of, room
from unlearning.user_code import function_arguments

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
# columns of the report's tables, which have one for each metric besides (reporting.frame.COLUMNS)
COLUMNS = {"split", "method", "variant", "label", "seed", "draw", "run", "phase", "attack"}
COLUMNS |= {"reference", "epoch", "step", "collapsed", "metric", "value"}


def own_metric_problems(config: dict) -> Iterator[str]:
    """What is wrong with the metrics that a config adds, before anything is run."""
    functions = config["metrics"]
    if not functions:
        return
    from unlearning.evaluation.metrics import LOG10  # both load numpy
    from unlearning.evaluation.own import withdraw_own_metrics

    withdraw_own_metrics()  # those of an experiment that this process has read before
    builtin = room(folder_of(config["data"]["source"]), "metrics").METRICS
    for name, function in functions.items():
        where = f"metrics.{name}"
        if not NAME.fullmatch(name):
            yield f"{where}: write lower-case letters, digits and '_', a letter first"
        if name in builtin:
            yield f"{where}: '{name}' is a metric of this benchmark; choose another name"
        if name in COLUMNS:
            yield f"{where}: '{name}' is a column of the report's tables; choose another name"
        # it would turn the means of the other into geometric ones (reporting.frame.geometric)
        antilog = name.removeprefix(LOG10)
        if antilog != name and (antilog in builtin or antilog in functions):
            yield (
                f"{where}: reports take '{LOG10}…' beside '{antilog}' for the logarithm of a "
                "p-value; choose another name"
            )
        arguments, problems = function_arguments(where, function)
        yield from problems
        if arguments is None:
            continue
        # it is called with the rows alone
        positional = [*arguments.posonlyargs, *arguments.args]
        required = len(positional) - len(arguments.defaults)
        if not positional or required > 1 or None in arguments.kw_defaults:
            yield f"{where}: {function} must take the rows, and nothing else without a default"

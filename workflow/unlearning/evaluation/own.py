"""The user's own metrics: functions that take an evaluation's rows and return values and a
direction. No torch."""

import copy
import math

import numpy

from unlearning.benchmark import room
from unlearning.errors import UserError
from unlearning.evaluation.metrics import Metric
from unlearning.files import read_json
from unlearning.user_code import load_function, user_line

DIRECTIONS = ("higher", "lower", "zero", "")  # see metrics.Metric


def own_metrics(functions: dict[str, str], rows: dict[str, dict]) -> dict[str, tuple[float, str]]:
    """Metric -> (value, direction that is better).

    functions: metric -> path/to/file.py:name. Each takes `rows`, set -> columns of an evaluation,
    and returns (values, better): a number, or numbers to average, and one of DIRECTIONS. UserError
    names the function and its fault.
    """
    return {name: _call(function, rows) for name, function in functions.items()}


def _call(function: str, rows: dict[str, dict]) -> tuple[float, str]:
    """The checked result of one function."""
    try:
        # a copy, for it may sort or change columns, which are written and given to others after it
        result = load_function(function)(copy.deepcopy(rows))
    except UserError:  # the file cannot be run, and the message says where
        raise
    except Exception as error:
        line = user_line(error, function.rpartition(":")[0])
        raise UserError(f"{function}: {line}: {type(error).__name__}: {error}") from error
    rule = "must return (values, better), such as (0.5, 'higher') or ([0.1, 0.9], 'lower')"
    if not isinstance(result, tuple) or len(result) != 2:
        raise UserError(f"{function}: {rule}, found {result!r:.200}")
    values, better = result
    if better not in DIRECTIONS:
        allowed = ", ".join(map(repr, DIRECTIONS))
        raise UserError(f"{function}: better must be one of {allowed}, found {better!r:.200}")
    try:
        numbers = numpy.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError):
        raise UserError(f"{function}: {rule}, found values {values!r:.200}") from None
    if not numbers.size or not numpy.isfinite(numbers).all():
        raise UserError(
            f"{function}: values must be finite numbers, at least one, found {values!r:.200}"
        )
    return float(numbers.mean()), better


# (table, name) of the current experiment's metrics: the tables are those of a module, which all
# experiments of a process share
_declared: list[tuple[dict[str, Metric], str]] = []


def withdraw_own_metrics() -> None:
    """Remove the previous experiment's metrics from the tables, for a process that reads several
    experiments."""
    while _declared:
        table, name = _declared.pop()
        table.pop(name, None)


def declare_own_metrics(experiment, directions: dict[str, str] | None = None) -> None:
    """Add an experiment's own metrics to its benchmark's tables of metrics, which reports and
    claims read.

    directions: metric -> the direction that evaluations recorded, where they exist.
    """
    withdraw_own_metrics()
    if not experiment.on_language_model or not experiment.config["metrics"]:
        return
    tables = room(experiment.benchmark.name, "metrics")
    for name, function in experiment.config["metrics"].items():
        better = (directions or {}).get(name, "")
        metric = Metric(name, better, f"of your own, {function}", (-math.inf, math.inf))
        for table in (tables.METRICS, *tables.STUDIES.values()):
            table[name] = metric
            _declared.append((table, name))


def recorded_directions(experiment) -> dict[str, str]:
    """The user's own metric -> its direction in the first evaluation that exists."""
    if not experiment.on_language_model or not experiment.config["metrics"]:
        return {}
    # any evaluation will do: a function has one direction, whatever model it judges
    for draw in experiment.draws:
        runs = [(split, draw.target_run) for split in draw.own_splits]
        runs += [(cell.split, cell.run) for cell in draw.cells()]
        for split, run in runs:
            path = draw.layout.evaluation(split, run) / "summary.json"
            if path.is_file():
                return read_json(path).get("own", {})
    return {}

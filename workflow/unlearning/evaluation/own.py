"""Metrics of the user's own: a function, rows in, values and a direction out. No torch."""

import math

import numpy

from unlearning.benchmark import room
from unlearning.errors import UserError
from unlearning.evaluation.metrics import Metric
from unlearning.files import read_json
from unlearning.user_code import load_function, user_line

DIRECTIONS = ("higher", "lower", "zero", "")  # what is better; see metrics.Metric


def own_metrics(functions: dict[str, str], rows: dict[str, dict]) -> dict[str, tuple[float, str]]:
    """Metric -> its value and which direction is better.

    functions: metric -> path/to/file.py:name. Each is called with `rows`, set -> columns of an
    evaluation, and returns (values, better): a number or numbers, whose mean counts, and one of
    DIRECTIONS. UserError names the function and what is wrong with what it does or returns.
    """
    return {name: _measured(function, rows) for name, function in functions.items()}


def _measured(function: str, rows: dict[str, dict]) -> tuple[float, str]:
    try:
        returned = load_function(function)(rows)
    except UserError:
        raise
    except Exception as error:
        line = user_line(error, function.rpartition(":")[0])
        raise UserError(f"{function}: {line}: {type(error).__name__}: {error}") from error
    wanted = "must return (values, better), such as (0.5, 'higher') or ([0.1, 0.9], 'lower')"
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise UserError(f"{function}: {wanted}, found {returned!r:.200}")
    values, better = returned
    if better not in DIRECTIONS:
        allowed = ", ".join(map(repr, DIRECTIONS))
        raise UserError(f"{function}: better must be one of {allowed}, found {better!r:.200}")
    try:
        numbers = numpy.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError):
        raise UserError(f"{function}: {wanted}, found values {values!r:.200}") from None
    if not numbers.size or not numpy.isfinite(numbers).all():
        raise UserError(
            f"{function}: values must be finite numbers, at least one, found {values!r:.200}"
        )
    return float(numbers.mean()), better


_declared: list[tuple[dict[str, Metric], str]] = []  # tables and what was put into them


def withdraw_own_metrics() -> None:
    """Take the metrics of the experiment before out of the tables again, for a process that reads
    several."""
    while _declared:
        table, name = _declared.pop()
        table.pop(name, None)


def declare_own_metrics(experiment, directions: dict[str, str] | None = None) -> None:
    """Put an experiment's own metrics into the tables of its benchmark's room `metrics`, which
    reports and claims read. directions: as evaluations have recorded them, where these are read.
    """
    withdraw_own_metrics()
    if not experiment.on_language_model or not experiment.config["metrics"]:
        return
    measures = room(experiment.benchmark.name, "metrics")
    for name, function in experiment.config["metrics"].items():
        better = (directions or {}).get(name, "")
        metric = Metric(name, better, f"of your own, {function}", (-math.inf, math.inf))
        for table in (measures.METRICS, *measures.STUDIES.values()):
            table[name] = metric
            _declared.append((table, name))


def recorded_directions(experiment) -> dict[str, str]:
    """Metric of the user's own -> what is better, of the first evaluation that is there."""
    if not experiment.on_language_model or not experiment.config["metrics"]:
        return {}
    for drawn in experiment.draws:
        runs = [(split, drawn.target_run) for split in drawn.own_splits]
        runs += [(cell.split, cell.run) for cell in drawn.cells()]
        for split, run in runs:
            path = drawn.layout.evaluation(split, run) / "summary.json"
            if path.is_file():
                return read_json(path).get("own", {})
    return {}

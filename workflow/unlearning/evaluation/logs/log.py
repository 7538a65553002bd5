"""An evaluation log, whoever wrote it: what scoring needs of it, and the checks that all share."""

import math
from dataclasses import dataclass
from pathlib import Path

from numpy import ndarray

from unlearning.errors import UserError
from unlearning.evaluation.forget_quality import ForgetQuality, compare


@dataclass(frozen=True)
class Log:
    """Metrics of an evaluation under our names, and what forget quality is computed from.

    formulas: whose aggregation the format is on, official or open-unlearning.
    truth_ratio: (rows,) of the forget set, in any monotone form that the formulas share.
    identity: what tells the forget rows apart -> a value for each row.
    """

    path: Path
    format: str
    formulas: str
    metrics: dict[str, float]
    rows: dict[str, int]
    truth_ratio: ndarray
    identity: dict[str, list]


def check_same_rows(log: Log, retained: Log) -> list[str]:
    """What both logs tell their forget rows apart by; UserError where any of it differs."""
    kinds = [kind for kind in log.identity if kind in retained.identity]
    for kind in kinds:
        ours, theirs = log.identity[kind], retained.identity[kind]
        if ours == theirs:
            continue
        what = f"{len(ours)} and {len(theirs)} rows"
        differing = (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
        place = next(differing, None)
        if place is not None:
            what += f"; {kind} differ first in row {place}: {ours[place]!r} and {theirs[place]!r}"
        raise UserError(
            f"forget quality compares the same forget rows under two models, but {log.path} and "
            f"{retained.path} hold other rows ({what}). Give logs of the same forget split"
        )
    return kinds


def forget_quality(log: Log, retained: Log) -> tuple[ForgetQuality, list[str]]:
    """Forget quality of a log against a retained model's, and what the rows were compared by."""
    if log.formulas != retained.formulas:
        raise UserError(
            f"{log.path} is a log of format {log.format}, {retained.path} of format "
            f"{retained.format}: their truth ratios follow other formulas, so forget quality "
            "between them means nothing. Give two logs of one format (`export` writes ours as "
            "open-unlearning's)"
        )
    kinds = check_same_rows(log, retained)
    return compare(log.truth_ratio, retained.truth_ratio), kinds


def check_number(value, where: str) -> float:
    """The value, if it is a finite number; else a UserError that says where it stands."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(
            f"{where}: found {value!r}, expected a finite number. A log with such rows (of a "
            "collapsed model, say) has no score"
        )
    return value


def check_mapping(value, where: str) -> dict:
    """The value, if it is a JSON object with entries."""
    if not isinstance(value, dict) or not value:
        found = "nothing in it" if value == {} else type(value).__name__
        raise UserError(f"{where}: expected a JSON object with entries, found {found}")
    return value


def require(found, needed, where: str) -> None:
    """UserError that lists what is missing beside what is there."""
    missing = [name for name in needed if name not in found]
    if missing:
        raise UserError(f"{where} lacks {', '.join(missing)}; found {', '.join(map(str, found))}")


def by_row_number(values: dict, where: str) -> dict[int, object]:
    """A column keyed by row number, in the rows' order."""
    odd = [key for key in values if not key.isdecimal()]
    if odd:
        raise UserError(f"{where}: keys must be row numbers, found {odd[0]!r}")
    return {int(key): values[key] for key in sorted(values, key=int)}

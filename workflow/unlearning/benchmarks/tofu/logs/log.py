"""An evaluation log of any format, as scoring needs it, and checks that all formats share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy import ndarray

from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.errors import UserError
from unlearning.evaluation.membership import privleak

MIN_K = "mia_min_k_auc"  # the attack that PrivLeak is defined on
ROUNDING = 1e-6  # how far sums in half precision may lie outside a range


@dataclass(frozen=True)
class Log:
    """Metrics of an evaluation by this project's names, and the values of forget quality.

    formulas: the variant that the format follows, official or open-unlearning.
    truth_ratio: (rows,) of the forget set, in any monotone form that logs of one variant share.
    identity: kind (questions, answers, row numbers, …) -> a value of each forget row.
    columns: set -> columns of its rows as in rows.json, for formats that hold losses.
    further: metrics beyond model utility and the forget set's three; by this project's name, or by
    the log's for a metric unknown here.
    """

    path: Path
    format: str
    formulas: str
    metrics: dict[str, float]
    rows: dict[str, int]
    truth_ratio: ndarray
    identity: dict[str, list]
    columns: dict[str, dict] = field(default_factory=dict)
    further: dict[str, float] = field(default_factory=dict)


def comparable(value):
    """A row's identity without white space: decoding changes it, e.g. from "Mammadov , is" to
    "Mammadov, is"."""
    return "".join(value.split()) if isinstance(value, str) else value


def check_same_rows(log: Log, retained: Log) -> list[str]:
    """The kinds of identity that both logs have; UserError if a row differs in one of them."""
    # Formats hold different things, down to row numbers alone: compare whatever both have.
    kinds = [kind for kind in log.identity if kind in retained.identity]
    for kind in kinds:
        values, retained_values = log.identity[kind], retained.identity[kind]
        difference = ""
        for row, (a, b) in enumerate(zip(values, retained_values, strict=False)):
            if comparable(a) != comparable(b):
                difference = f"; {kind} differ first in row {row}: {a!r} and {b!r}"
                break
        if difference or len(values) != len(retained_values):
            raise UserError(
                f"forget quality compares the same forget rows under two models, but {log.path} "
                f"and {retained.path} hold other rows ({len(values)} and {len(retained_values)} "
                f"rows{difference}). Give logs of the same forget split"
            )
    return kinds


def forget_quality(log: Log, retained: Log) -> tuple[dict[str, float], list[str]]:
    """Forget quality of a log against a retrained model's, and the kinds of identity compared."""
    # Ours are log x, those of open-unlearning 1/x: the KS test would call them very different.
    if log.formulas != retained.formulas:
        raise UserError(
            f"{log.path} is a log of format {log.format}, {retained.path} of format "
            f"{retained.format}: their truth ratios follow other formulas, so forget quality "
            "between them means nothing. Give two logs of one format (`export` writes an "
            "evaluation of this project as open-unlearning's)"
        )
    kinds = check_same_rows(log, retained)
    return compare(log.truth_ratio, retained.truth_ratio), kinds


def privacy_leakage(log: Log, retained: Log) -> float | None:
    """PrivLeak in percent; None if a log lacks the attack min-k."""
    if MIN_K in log.further and MIN_K in retained.further:
        return privleak(log.further[MIN_K], retained.further[MIN_K])
    return None


def check_number(value, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    """The value, if it is a finite number from `low` to `high`; UserError otherwise. where: its
    position in the file, for the message."""
    expected = "a finite number"
    if (low, high) != (-math.inf, math.inf):
        expected += f" of at least {low:g}" if high == math.inf else f" from {low:g} to {high:g}"
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    # Compare before any conversion to float, which fails for very large integers; NaN compares with
    # nothing.
    fits = fits and -1e308 < value < 1e308 and low - ROUNDING <= value <= high + ROUNDING
    if not fits:
        raise UserError(
            f"{where}: found {value!r:.60}, expected {expected}. A log with such rows (of a "
            "collapsed model, say) has no score"
        )
    return value


def check_texts(values, rows: int, where: str) -> list[str]:
    """The values, if they are a text for each of `rows` rows; UserError otherwise."""
    values = check_column(values, rows, where)
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(f"{where}, row {row}: found {value!r:.60}, expected a text")
    return values


def check_column(values, rows: int, where: str) -> list:
    """The values, if they are a list with an entry for each of `rows` rows; UserError otherwise."""
    values = check_list(values, where)
    if len(values) != rows:
        raise UserError(f"{where}: {len(values)} rows, but {rows} in the columns beside it")
    return values


def check_list(value, where: str) -> list:
    """The value, if it is a list with entries; UserError otherwise."""
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: expected a list with entries, found {value!r:.40}")
    return value


def check_mapping(value, where: str) -> dict:
    """The value, if it is a JSON object with entries; UserError otherwise."""
    if not isinstance(value, dict) or not value:
        content = "nothing in it" if value == {} else type(value).__name__
        raise UserError(f"{where}: expected a JSON object with entries, found {content}")
    return value


def require(present: Iterable[str], needed: Sequence[str], where: str) -> None:
    """Raise UserError if a needed name is not present; the message lists both."""
    present = list(present)
    missing = [name for name in needed if name not in present]
    if missing:
        raise UserError(f"{where} lacks {', '.join(missing)}; found {', '.join(map(str, present))}")


def by_row_number(values: dict, where: str) -> dict[int, Any]:
    """A column keyed by row number, in order of the rows; UserError for other keys."""
    rows = {}
    for key, value in values.items():
        # "07" and "7" are two keys of JSON, and one row
        if not (key.isascii() and key.isdecimal()) or int(key) in rows:
            raise UserError(f"{where}: keys must be row numbers, each once, found {key[:40]!r}")
        rows[int(key)] = value
    # programs sort keys as texts, in which 10 comes before 2
    return dict(sorted(rows.items()))

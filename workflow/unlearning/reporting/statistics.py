"""Means, spreads and intervals over seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy
from scipy.stats import t


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) of n values; sd is None for a single one."""

    mean: float
    sd: float | None
    n: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of the values that are there; None if none is."""
    known = numpy.array([v for v in values if v is not None], dtype=float)
    if not len(known):
        return None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Spread(float(known.mean()), sd, len(known))


def mean_metrics(records: list[dict[str, float]]) -> dict[str, float]:
    """Metric -> mean over the records that have it, in the order of first appearance."""
    names = dict.fromkeys(name for record in records for name in record)
    spreads = {name: spread(record.get(name) for record in records) for name in names}
    return {name: s.mean for name, s in spreads.items() if s is not None}


def t_interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """Two-sided Student t interval of the mean: mean ± t(n - 1) · sd / sqrt(n).

    Values that are all equal give that point; ValueError for fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs two values or more, found {len(values)}")
    found = spread(values)
    if len(set(values)) == 1:
        return values[0], values[0]
    half = float(t.ppf(0.5 + level / 2, found.n - 1)) * found.sd / math.sqrt(found.n)
    return found.mean - half, found.mean + half

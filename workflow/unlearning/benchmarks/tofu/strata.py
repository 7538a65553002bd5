"""Halves of the forget set: short and long answers, weakly and strongly memorised ones."""

import numpy
from numpy import ndarray

LENGTH = ("short", "long")
MEMORISATION = ("memorised_weakly", "memorised_strongly")
PAIRS = (LENGTH, MEMORISATION)
TITLES = {
    "short": "short answers",
    "long": "long answers",
    "memorised_weakly": "weakly memorised rows",
    "memorised_strongly": "strongly memorised rows",
}


def memorisation(target: dict) -> ndarray:
    """(rows,) how well the target remembers: log-probability of each answer per token."""
    return -numpy.array(target["answer_loss"], dtype=float)


def strata(target: dict) -> dict[str, ndarray]:
    """Stratum -> its rows, of the target's forget rows (columns of an evaluation).

    Lengths count the answer's tokens, end-of-sequence included. Where all rows are alike there is
    nothing to tell apart, and neither half is there. Source: SimNPO (arXiv 2410.07163) §4, which
    compares the shorter with the longer half of the forget set.
    """
    ranked = {LENGTH: numpy.array(target["answer_tokens"]), MEMORISATION: memorisation(target)}
    found: dict[str, ndarray] = {}
    for pair, values in ranked.items():
        if len(values) > 1 and values.min() < values.max():
            found |= zip(pair, halves(values), strict=True)
    return found


def halves(values: ndarray) -> tuple[ndarray, ndarray]:
    """Rows below and above the median, as many of each, so that p-values of both compare.

    Ties at the median go by row order; of an odd number the middle row is in neither half.
    """
    order, size = numpy.argsort(values, kind="stable"), len(values) // 2
    return numpy.sort(order[:size]), numpy.sort(order[len(order) - size :])

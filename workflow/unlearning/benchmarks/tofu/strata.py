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
    """(rows,) how well the target remembers each answer: its log-probability per token."""
    return -numpy.array(target["answer_loss"], dtype=float)  # (rows,)


def strata(target: dict) -> dict[str, ndarray]:
    """Stratum -> indices of its rows. target: the forget rows (columns) of the target's evaluation.

    Lengths count the answer's tokens, end-of-sequence included. There are no halves if all rows
    have the same value. Source: SimNPO (arXiv 2410.07163) §4, which compares the shorter with the
    longer half of the forget set.
    """
    ranked = {LENGTH: numpy.array(target["answer_tokens"]), MEMORISATION: memorisation(target)}
    rows: dict[str, ndarray] = {}
    for (lower, upper), values in ranked.items():
        # of equal values, row order alone would make the halves
        if len(values) > 1 and values.min() < values.max():
            rows[lower], rows[upper] = halves(values)
    return rows


def halves(values: ndarray) -> tuple[ndarray, ndarray]:
    """Indices of rows below and above the median, as many of each, so that p-values compare.

    Ties at the median are split by row order; with an odd number, the middle row is in no half.
    """
    # A stable sort: ties are split the same way on every machine.
    order, size = numpy.argsort(values, kind="stable"), len(values) // 2
    return numpy.sort(order[:size]), numpy.sort(order[len(order) - size :])

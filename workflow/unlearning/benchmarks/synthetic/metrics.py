"""Numbers that tables and claims take from a run's curves, each with its title.

The papers show curves. How a curve becomes one number is this project's choice, explained here.
"""

import math
from bisect import bisect_right
from itertools import pairwise
from statistics import fmean

from unlearning.analysis.quantities import GROWTH, Curves, Quantity, last
from unlearning.evaluation.metrics import Metric

EARLY = 1200  # steps; the NPO paper's methods forget within them


def forget_distance_reached(curves: Curves) -> float:
    points = zip(curves["step"], curves["forget_distance"], strict=True)
    return min(distance for step, distance in points if step <= EARLY)


def retain_growth(curves: Curves) -> float:
    """Retain distance after the last step, divided by that after half of the steps."""
    # The last evaluated step up to the half: the interval need not divide it.
    half = bisect_right(curves["step"], curves["step"][-1] / 2) - 1
    return curves["retain_distance"][-1] / curves["retain_distance"][half]


def frontier_gap(curves: Curves) -> float:
    """Share of a square that no point of the run dominates: 1 minus the normalised hypervolume.

    The square spans 0 to the forget distance of the start on both axes. A point dominates all
    points whose forget and retain distances are both at least its own.
    """
    side = curves["forget_distance"][0]
    points = sorted(zip(curves["forget_distance"], curves["retain_distance"], strict=True))
    points.append((side, side))  # the corner, where the last strip ends
    area, lowest = 0.0, side
    # Between two forget distances, the least retain distance so far bounds the dominated strip.
    for (forget, retain), (next_forget, _) in pairwise(points):
        lowest = min(lowest, retain)
        area += (side - lowest) * (min(next_forget, side) - min(forget, side))
    return 1 - area / side**2


def forget_gap(curves: Curves) -> float:
    """Mean over the steps of |KL on forget1 - KL on forget2|."""
    # without the start, at which no method has done anything
    pairs = zip(curves["forget1"][1:], curves["forget2"][1:], strict=True)
    return fmean(abs(forget1 - forget2) for forget1, forget2 in pairs)


def _larger_forget(curves: Curves) -> list[float]:
    """The larger of the two forget KLs at each step."""
    return list(map(max, curves["forget1"], curves["forget2"]))


def balanced_forget(curves: Curves) -> float:
    return min(_larger_forget(curves))


def retain_at_half(curves: Curves) -> float | None:
    """Retain KL at the first step where both forget KLs are at most half of the larger one at the
    start; None for a run without such a step."""
    larger = _larger_forget(curves)
    for forget, retain in zip(larger, curves["retain"], strict=True):
        if forget <= larger[0] / 2:
            return retain
    return None


QUANTITIES: dict[str, dict[str, Quantity]] = {
    "logistic": {
        "forget_distance_reached": Quantity(
            "Forget distance reached",
            "least KL(retrained ‖ current) on forget points within 1,200 steps",
            forget_distance_reached,
        ),
        "forget_distance": Quantity(
            "Forget distance", "the same after the last step", last("forget_distance")
        ),
        "retain_distance": Quantity(
            "Retain distance",
            "KL(retrained ‖ current) on retain points after the last step",
            last("retain_distance"),
        ),
        "retain_growth": Quantity(
            "Retain growth", "retain distance at the end over that half-way", retain_growth
        ),
        "frontier_gap": Quantity(
            "Frontier gap",
            "share of the square from 0 to the start's forget distance, in the plane of both "
            "distances, that the path does not dominate; lower is better",
            frontier_gap,
        ),
    },
    "divergence": GROWTH,
    "markov": {
        "forget_gap": Quantity(
            "Forget gap", "mean over the steps of |KL on forget1 - KL on forget2|", forget_gap
        ),
        "balanced_forget": Quantity(
            "Both forgotten",
            "least over the steps of the larger of the two forget KLs",
            balanced_forget,
        ),
        "retain_at_half": Quantity(
            "Retain KL at half",
            "retain KL when both forget KLs first are at most half of the start's larger one",
            retain_at_half,
        ),
        "retain": Quantity("Retain KL", "retain KL after the last step", last("retain")),
    },
}

STUDIES = QUANTITIES


def _metrics() -> dict[str, Metric]:
    """The quantities of all studies as metrics; studies may share a quantity."""
    metrics = {}
    for quantities in QUANTITIES.values():
        for name, quantity in quantities.items():
            limits = (-math.inf, math.inf)
            metrics[name] = Metric(quantity.title, "", quantity.explanation, limits)
    return metrics


METRICS = _metrics()

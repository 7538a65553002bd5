"""Numbers that tables and claims take from a run's curves, each with its title.

The papers show curves; how a curve becomes one number is this project's choice, said here.
"""

import math

from unlearning.analysis.quantities import GROWTH, Curves, Quantity, last
from unlearning.evaluation.metrics import Metric

EARLY = 1200  # steps within which the NPO paper's methods forget


def forget_distance_reached(curves: Curves) -> float:
    """Least forget distance within EARLY steps."""
    both = zip(curves["step"], curves["forget_distance"], strict=True)
    return min(distance for step, distance in both if step <= EARLY)


def retain_growth(curves: Curves) -> float:
    """Retain distance after the last step over that half-way."""
    half = curves["step"][-1] / 2
    before = max(k for k, step in enumerate(curves["step"]) if step <= half)
    return curves["retain_distance"][-1] / curves["retain_distance"][before]


def frontier_gap(curves: Curves) -> float:
    """Share of a square that no point of the run dominates: 1 minus the normalised hypervolume.

    The square spans 0 to the forget distance of the start on both axes; a point dominates what
    has neither a smaller forget nor a smaller retain distance.
    """
    side = curves["forget_distance"][0]
    points = sorted(zip(curves["forget_distance"], curves["retain_distance"], strict=True))
    area, lowest = 0.0, side
    for k, (forget, retain) in enumerate(points):
        lowest = min(lowest, retain)
        following = points[k + 1][0] if k + 1 < len(points) else side
        area += (side - lowest) * (min(following, side) - min(forget, side))
    return 1 - area / side**2


def forget_gap(curves: Curves) -> float:
    """Mean over the steps of |KL on forget1 - KL on forget2|."""
    both = list(zip(curves["forget1"][1:], curves["forget2"][1:], strict=True))
    return sum(abs(one - other) for one, other in both) / len(both)


def _worse(curves: Curves) -> list[float]:
    return [max(both) for both in zip(curves["forget1"], curves["forget2"], strict=True)]


def balanced_forget(curves: Curves) -> float:
    """Least over the steps of the larger of the two forget KLs."""
    return min(_worse(curves))


def retain_at_half(curves: Curves) -> float | None:
    """Retain KL at the first step where both forget KLs are at most half of the larger one at the
    start; None for a run without such a step."""
    worse = _worse(curves)
    both = zip(worse, curves["retain"], strict=True)
    return next((retain for forget, retain in both if forget <= worse[0] / 2), None)


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
    """As the report declares them; several studies may have a quantity of one name."""
    anything = (-math.inf, math.inf)
    return {
        name: Metric(quantity.title, "", quantity.explanation, anything)
        for study in QUANTITIES.values()
        for name, quantity in study.items()
    }


METRICS = _metrics()

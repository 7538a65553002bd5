"""Numbers that summarise a run's curves for tables and claims, such as how fast it diverges."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from unlearning.analysis.growth import fit_growth

Curves = dict[str, list[float]]


@dataclass(frozen=True)
class Quantity:
    """A number of a run. title, explanation: on the page. value: computes it from curves."""

    title: str
    explanation: str
    value: Callable[[Curves], float | None]
    of_attack = False
    unit = ""


def last(name: str) -> Callable[[Curves], float]:
    """The value of a curve after the last step."""
    return lambda curves: curves[name][-1]


def late_exponent(curves: Curves) -> float | None:
    """Slope of log distance on log steps between half-way and the end; None for a run that was not
    evaluated before half-way, but at its start."""
    # the second half alone: every curve rises steeply in its first steps
    steps, drift = curves["step"], curves["drift"]
    half = bisect_right(steps, steps[-1] / 2) - 1
    if half == 0:  # the start has no logarithm: step and distance are 0
        return None
    return math.log(drift[-1] / drift[half]) / math.log(steps[-1] / steps[half])


def _of_growth(name: str) -> Callable[[Curves], float]:
    """A function that takes a field of the fits to a run's drift."""
    return lambda curves: getattr(fit_growth(curves["step"], curves["drift"]), name)


GROWTH: dict[str, Quantity] = {
    "drift": Quantity(
        "Distance from the start",
        "root mean square change of the forget points' logits after the last step",
        last("drift"),
    ),
    "linear_r2": Quantity("R² linear", "of the fit a + b t", _of_growth("linear_r2")),
    "log_r2": Quantity("R² logarithmic", "of the fit a log(1 + c t)", _of_growth("log_r2")),
    "log_gain": Quantity(
        "Gain of the logarithm",
        "log₁₀ of squared residuals, linear over logarithmic fit; above 0 the logarithm is closer",
        _of_growth("log_gain"),
    ),
    "late_exponent": Quantity(
        "Late exponent",
        "p of growth as tᵖ in the second half: 1 is linear, a logarithm tends to 0",
        late_exponent,
    ),
}

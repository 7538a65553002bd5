"""Numbers that tables and claims take from a run's curves: how fast it moves away."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from unlearning.analysis.growth import fit_growth

Curves = dict[str, list[float]]


@dataclass(frozen=True)
class Quantity:
    """title: on the page. explanation: how it is taken. value: of a run's curves, or None."""

    title: str
    explanation: str
    value: Callable[[Curves], float | None]
    of_attack = False
    unit = ""


def last(name: str) -> Callable[[Curves], float]:
    """The value of a curve after the last step."""
    return lambda curves: curves[name][-1]


def late_exponent(curves: Curves) -> float:
    """Slope of log distance on log steps between half-way and the end."""
    steps, drift = curves["step"], curves["drift"]
    before = max(k for k, step in enumerate(steps) if step <= steps[-1] / 2)
    return math.log(drift[-1] / drift[before]) / math.log(steps[-1] / steps[before])


def _fit(name: str) -> Callable[[Curves], float]:
    return lambda curves: getattr(fit_growth(curves["step"], curves["drift"]), name)


GROWTH: dict[str, Quantity] = {
    "drift": Quantity(
        "Distance from the start",
        "root mean square change of the forget points' logits after the last step",
        last("drift"),
    ),
    "linear_r2": Quantity("R² linear", "of the fit a + b t", _fit("linear_r2")),
    "log_r2": Quantity("R² logarithmic", "of the fit a log(1 + c t)", _fit("log_r2")),
    "log_gain": Quantity(
        "Gain of the logarithm",
        "log₁₀ of squared residuals, linear over logarithmic fit; above 0 the logarithm is closer",
        _fit("log_gain"),
    ),
    "late_exponent": Quantity(
        "Late exponent",
        "p of growth as tᵖ in the second half: 1 is linear, a logarithm tends to 0",
        late_exponent,
    ),
}

"""Test whether a distance grows linearly or logarithmically in the number of steps."""

from dataclasses import dataclass

import numpy
from scipy.optimize import minimize_scalar

ROUNDING = 1e-12  # share of the variance below which residuals are rounding
RATES = (-3.0, 6.0)  # log10 of c·T: at the lower end a straight line, at the upper nearly a step


@dataclass(frozen=True)
class Growth:
    """Least-squares fits of a line and of a logarithm, with two parameters each.

    linear: (a, b) of d = a + b t. logarithmic: (a, c) of d = a log(1 + c t). linear_r2, log_r2:
    shares of the variance that they explain. log_gain: log10 of the ratio of squared residuals,
    linear over logarithmic; above 0 the logarithm fits better.
    """

    linear: tuple[float, float]
    logarithmic: tuple[float, float]
    linear_r2: float
    log_r2: float
    log_gain: float


def fit_growth(steps: list[float], distances: list[float]) -> Growth:
    """Fit a line and a logarithm; ValueError for fewer than three points or constant distances."""
    # as many parameters each, so that residuals alone compare them: no penalty is needed
    t, d = numpy.asarray(steps, dtype=float), numpy.asarray(distances, dtype=float)
    total = float(((d - d.mean()) ** 2).sum())
    if len(t) < 3 or total == 0:
        raise ValueError("growth needs three points or more, and a distance that changes")
    slope, start = numpy.polyfit(t, d, 1)
    linear = float(((d - start - slope * t) ** 2).sum())
    scale, rate = _fit_logarithm(t, d)
    logarithmic = float(((d - scale * numpy.log1p(rate * t)) ** 2).sum())
    # an exact fit leaves rounding, whose logarithm would be a gain out of nothing
    floor = ROUNDING * total
    return Growth(
        (float(start), float(slope)),
        (scale, rate),
        1 - linear / total,
        1 - logarithmic / total,
        float(numpy.log10(max(linear, floor) / max(logarithmic, floor))),
    )


def _fit_logarithm(t: numpy.ndarray, d: numpy.ndarray) -> tuple[float, float]:
    """(a, c) of least squares: a follows from c in closed form, so only c is searched for."""

    def scale_at(power: float) -> tuple[float, numpy.ndarray]:
        curve = numpy.log1p(10**power / t[-1] * t)
        return float(d @ curve / (curve @ curve)), curve

    def residual(power: float) -> float:
        scale, curve = scale_at(power)
        return float(((d - scale * curve) ** 2).sum())

    # a bounded search finds a local minimum only, so it starts around the best point of a grid
    grid = numpy.linspace(*RATES, 91)
    best = float(min(grid, key=residual))
    width = grid[1] - grid[0]
    bounds = max(RATES[0], best - width), min(RATES[1], best + width)
    minimum = minimize_scalar(residual, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return scale_at(minimum.x)[0], float(10**minimum.x / t[-1])

"""Whether a distance grows linearly or logarithmically in the number of steps."""

from dataclasses import dataclass

import numpy
from scipy.optimize import minimize_scalar

PERFECT = 1e-12  # of the variance: residuals below it are rounding
RATES = (-3.0, 6.0)  # log10 of c·T: from a straight line within the range to steps without effect


@dataclass(frozen=True)
class Growth:
    """Two fits of two parameters each, by least squares.

    linear: (a, b) of d = a + b t. logarithmic: (a, c) of d = a log(1 + c t). linear_r2, log_r2:
    their shares of explained variance. log_gain: log10 of the ratio of squared residuals, linear
    over logarithmic; above 0 the logarithm fits better.
    """

    linear: tuple[float, float]
    logarithmic: tuple[float, float]
    linear_r2: float
    log_r2: float
    log_gain: float


def fit_growth(steps: list[float], distances: list[float]) -> Growth:
    """Fit both; ValueError for fewer than three points or a distance that never changes."""
    t, d = numpy.asarray(steps, dtype=float), numpy.asarray(distances, dtype=float)
    total = float(((d - d.mean()) ** 2).sum())
    if len(t) < 3 or total == 0:
        raise ValueError("growth needs three points or more, and a distance that changes")
    slope, start = numpy.polyfit(t, d, 1)
    linear = float(((d - start - slope * t) ** 2).sum())
    scale, rate = _logarithm(t, d)
    logarithmic = float(((d - scale * numpy.log1p(rate * t)) ** 2).sum())
    floor = PERFECT * total
    return Growth(
        (float(start), float(slope)),
        (scale, rate),
        1 - linear / total,
        1 - logarithmic / total,
        float(numpy.log10(max(linear, floor) / max(logarithmic, floor))),
    )


def _logarithm(t: numpy.ndarray, d: numpy.ndarray) -> tuple[float, float]:
    """(a, c) of least squares: a is linear given c, so the search is over c alone."""

    def at(power: float) -> tuple[float, float]:
        shape = numpy.log1p(10**power / t[-1] * t)
        scale = float(d @ shape / (shape @ shape))
        return float(((d - scale * shape) ** 2).sum()), scale

    grid = numpy.linspace(*RATES, 91)
    best = float(min(grid, key=lambda power: at(power)[0]))
    width = grid[1] - grid[0]
    bounds = max(RATES[0], best - width), min(RATES[1], best + width)
    found = minimize_scalar(
        lambda power: at(power)[0], bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return at(found.x)[1], float(10**found.x / t[-1])

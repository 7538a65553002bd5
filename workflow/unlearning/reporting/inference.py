"""How far a mean can be trusted: intervals over draws, what the variance is made of, and how many
draws a difference takes.

A draw is everything that is random before unlearning: world, base model, target, retrained models.
The value of one unlearned model against one retrained model is taken as

    mean + draw + retrained model + unlearning seed + remainder,

each an independent normal deviation. Retrained models and unlearning seeds belong to a draw, and
within it every seed meets every retrained model. Values of one draw share its deviation, so their
number says nothing about another draw: where there are several draws, the draw is the unit, and
what it holds is averaged first. p-values enter as logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy import ndarray
from scipy.stats import nct, t

LEVEL = 0.95  # of intervals
POWER = 0.8  # the chance to see a difference that is there
MOST_DRAWS = 1000  # beyond which a plan says "more"
RESAMPLES = 2000  # of the bootstrap
ROUNDING = 1e-12  # values that differ by less than this share of them are equal
DRAW, RETRAINED, SEED, REMAINDER = COMPONENTS = ("draw", "retrained", "seed", "remainder")


def half_width(sd, n):
    """Half of the 95% Student t interval of a mean of n values; nan for a single value.

    sd: sample standard deviation (n - 1), nan for one value; numbers or arrays.
    """
    degrees = numpy.maximum(numpy.asarray(n) - 1, 1)
    return t.ppf(0.5 + LEVEL / 2, degrees) * sd / n**0.5


def p_of_mean(values: ndarray) -> float:
    """Two-sided p-value of Student's t-test that the mean of two or more values is 0."""
    if len(set(values.tolist())) == 1:  # rounding would leave an error of 1e-17
        return 0.0 if values[0] else 1.0
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(2 * t.sf(abs(values.mean() / error), len(values) - 1))


def bootstrap(values: ndarray, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval of the mean of draws' means, by a bootstrap of all levels: draws,
    and within each its retrained models and its seeds, all with replacement.

    values: (draws, retrained models, seeds); nan where a draw has fewer, which stand at the end.
    With few draws it is too narrow (Davison and Hinkley 1997, §3.8), so no verdict rests on it.
    """
    there = ~numpy.isnan(values)
    retrained, seeds = there.any(axis=2).sum(axis=1), there.any(axis=1).sum(axis=1)
    generator = numpy.random.default_rng(seed)
    shape = (RESAMPLES, values.shape[0])
    draws = generator.integers(0, shape[1], shape)
    rows = _resampled(generator, retrained[draws], values.shape[1])
    columns = _resampled(generator, seeds[draws], values.shape[2])
    picked = values[draws[:, :, None, None], rows[:, :, :, None], columns[:, :, None, :]]
    inside = (rows >= 0)[:, :, :, None] & (columns >= 0)[:, :, None, :]
    means = numpy.nanmean(numpy.where(inside, picked, numpy.nan), axis=(2, 3)).mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = numpy.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _resampled(generator: numpy.random.Generator, counts: ndarray, longest: int) -> ndarray:
    """(…, longest) as many indices below each count as it says, and -1 after them."""
    positions = numpy.floor(generator.random((*counts.shape, longest)) * counts[..., None])
    return numpy.where(numpy.arange(longest) < counts[..., None], positions, -1).astype(int)


# --- what the variance is made of ---


@dataclass(frozen=True)
class Components:
    """Variances by component. One that the design cannot tell apart is missing, and what it does is
    in another: with one retrained model in each draw in `draw`, with one value of each seed the
    remainder in `seed`.

    counts: draws, and the most retrained models and seeds of one.
    """

    variances: dict[str, float]
    counts: dict[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Component -> its share of the sum; empty if nothing varies."""
        total = sum(self.variances.values())
        return {name: v / total for name, v in self.variances.items()} if total else {}

    def of_draw(self, retrained: int, seeds: int) -> float:
        """Variance between draws of the mean over so many retrained models and seeds of one."""
        divisors = {DRAW: 1, RETRAINED: retrained, SEED: seeds, REMAINDER: retrained * seeds}
        return sum(value / divisors[name] for name, value in self.variances.items())


def components(
    values: Sequence[float], draws: Sequence, retrained: Sequence, seeds: Sequence
) -> Components:
    """Variance components of values with their draw, retrained model and seed; of a metric that
    compares with no retrained model that is the same for all values.

    MINQUE with equal weights (Rao 1971): quadratic forms of the values are set equal to what they
    are expected to be. Of balanced values these are the estimates of the analysis of variance,
    which are unbiased; those below 0 count as 0.
    """
    y = numpy.asarray(values, dtype=float)
    groups = {
        DRAW: _numbered(draws),
        RETRAINED: _numbered(list(zip(draws, retrained, strict=True))),
        SEED: _numbered(list(zip(draws, seeds, strict=True))),
        REMAINDER: numpy.arange(len(y)),
    }
    sizes = {name: int(numbers.max()) + 1 for name, numbers in groups.items()}
    counts = {DRAW: sizes[DRAW]}
    for name in (RETRAINED, SEED):
        pairs = numpy.unique(numpy.stack([groups[DRAW], groups[name]]), axis=1)
        counts[name] = int(numpy.bincount(pairs[0]).max())
    estimable: dict[str, ndarray] = {}
    for name, size in sizes.items():
        # it is told apart if a draw has several of it, and no coarser one has one for each value
        coarser = 1 if name == DRAW else sizes[DRAW]
        single = any(sizes[entry] == len(y) for entry in estimable)  # one value in each group
        if size > coarser and not single:
            estimable[name] = (groups[name][:, None] == groups[name]).astype(float)
    if numpy.ptp(y) <= ROUNDING * numpy.abs(y).max():
        return Components(dict.fromkeys(estimable, 0.0), counts)
    estimates = _minque(y, list(estimable.values()))
    if estimates is None:
        return Components({}, counts)
    positive = (max(0.0, float(value)) for value in estimates)
    return Components(dict(zip(estimable, positive, strict=True)), counts)


def _numbered(keys: Sequence) -> ndarray:
    """The number of each key among the different ones, in order of appearance."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return numpy.array([numbers[key] for key in keys])


def _minque(y: ndarray, structures: list[ndarray]) -> ndarray | None:
    """Variances of components with these covariance structures; None if they cannot be told apart
    or there are none."""
    if not structures:
        return None
    inverse = numpy.linalg.inv(sum(structures))
    ones = inverse.sum(axis=1)
    projection = inverse - numpy.outer(ones, ones) / ones.sum()  # takes the mean out
    projected = [projection @ structure for structure in structures]
    expected = numpy.array([[numpy.sum(a * b.T) for b in projected] for a in projected])
    if numpy.linalg.matrix_rank(expected) < len(structures):
        return None
    residual = projection @ y
    return numpy.linalg.solve(expected, [residual @ s @ residual for s in structures])


# --- how many draws a difference takes ---


def draws_needed(variance: float, difference: float) -> int | None:
    """The fewest draws with which a two-sided t-test at 5% sees a mean of `difference` with a
    chance of 80%; None if MOST_DRAWS are too few. variance: between draws."""
    if variance == 0:
        return 2
    for n in numpy.split(numpy.arange(2, MOST_DRAWS + 1), [30]):  # mostly the first few are enough
        shift = difference * (n / variance) ** 0.5
        border = t.ppf(0.5 + LEVEL / 2, n - 1)
        power = nct.sf(border, n - 1, shift)  # to see it on the wrong side is no success
        enough = numpy.flatnonzero(power >= POWER)
        if len(enough):
            return int(n[enough[0]])
    return None

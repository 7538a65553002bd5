"""Statistics of means over runs: intervals, variance components, and draws needed for a difference.

A draw is everything that is random before unlearning: world, base model, target, retrained models.
The model of a metric's value, for one unlearned model compared with one retrained model, is

    mean + draw + retrained model + unlearning seed + remainder,

where all terms but the mean are independent normal deviations. Retrained models and unlearning
seeds are nested in a draw, and crossed within it: every unlearned model is compared with every
retrained one. All values of a draw share its deviation, so more of them say nothing about other
draws. With several draws, the draw is therefore the unit: its values are averaged first.
Metrics that are p-values enter as logarithms.
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
    # equal values have no spread, but rounding would make it 1e-17 instead of 0
    if len(set(values.tolist())) == 1:
        return 0.0 if values[0] else 1.0
    # by hand: scipy's ttest_1samp warns of values that are nearly equal, as those of seeds may be
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(2 * t.sf(abs(values.mean() / error), len(values) - 1))


def bootstrap(values: ndarray) -> tuple[float, float]:
    """95% percentile interval of the mean of draws' means, by a bootstrap of all levels.

    Each resample takes draws with replacement, and within each of them retrained models and seeds
    with replacement.

    values: (D draws, R retrained models, S seeds). A draw with fewer models or seeds than the
    others has nan after its own. With few draws the interval is too narrow (Davison and Hinkley
    1997, §3.8), so no verdict rests on it.
    """
    draw_count, most_retrained, most_seeds = values.shape
    exists = ~numpy.isnan(values)
    retrained_counts = exists.any(axis=2).sum(axis=1)  # (D,)
    seed_counts = exists.any(axis=1).sum(axis=1)  # (D,)

    # indices of what each of B resamples takes: draws (B, D), and for each of these its retrained
    # models (B, D, R) and its seeds (B, D, S)
    generator = numpy.random.default_rng(0)  # so that a report made again says the same
    draws = generator.integers(0, draw_count, (RESAMPLES, draw_count))
    retrained = _resampled(generator, retrained_counts[draws], most_retrained)
    seeds = _resampled(generator, seed_counts[draws], most_seeds)

    # every retrained model of a resample with every seed: (B, D, R, S)
    resamples = values[draws[:, :, None, None], retrained[:, :, :, None], seeds[:, :, None, :]]
    # index -1 takes the last value, which is none of the resample
    exists = (retrained >= 0)[:, :, :, None] & (seeds >= 0)[:, :, None, :]
    draw_means = numpy.nanmean(numpy.where(exists, resamples, numpy.nan), axis=(2, 3))  # (B, D)
    means = draw_means.mean(axis=1)  # (B,): each draw has one vote, however many runs it has
    tail = (1 - LEVEL) / 2
    low, high = numpy.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _resampled(generator: numpy.random.Generator, counts: ndarray, longest: int) -> ndarray:
    """For each count n: n random indices below n, with replacement, then -1 up to `longest`.

    counts: any shape; the result has one dimension more, of size `longest`.
    """
    positions = numpy.floor(generator.random((*counts.shape, longest)) * counts[..., None])
    return numpy.where(numpy.arange(longest) < counts[..., None], positions, -1).astype(int)


# --- what the variance is made of ---


@dataclass(frozen=True)
class Components:
    """Variances by component (see the module's formula).

    variances: only of components that the design can tell apart. The variance of the others is in
    another component: that of retrained models in `draw`, if each draw has one; the remainder in
    `seed`, if each seed has one value. counts: the number of draws, and the most retrained models
    and seeds of a draw.
    """

    variances: dict[str, float]
    counts: dict[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Component -> its share of the sum; empty if nothing varies."""
        total = sum(self.variances.values())
        return {name: v / total for name, v in self.variances.items()} if total else {}

    def of_draw(self, retrained: int, seeds: int) -> float:
        """Variance of a draw's mean over that many retrained models and seeds."""
        # averaging n independent deviations divides their variance by n
        divisors = {DRAW: 1, RETRAINED: retrained, SEED: seeds, REMAINDER: retrained * seeds}
        return sum(value / divisors[name] for name, value in self.variances.items())


def components(
    values: Sequence[float], draws: Sequence, retrained: Sequence, seeds: Sequence
) -> Components:
    """Variance components of values, each with its draw, retrained model and seed.

    For a metric that compares with no retrained model, `retrained` is the same for all values.

    MINQUE with equal weights (Rao 1971): quadratic forms of the values are set equal to their
    expectations. For balanced values these are the unbiased estimates of the analysis of variance.
    Negative estimates count as 0.
    """
    y = numpy.asarray(values, dtype=float)
    # component -> which of its deviations each value has; seed 1 of one draw is not that of another
    groups = {
        DRAW: _numbered(draws),
        RETRAINED: _numbered(list(zip(draws, retrained, strict=True))),
        SEED: _numbered(list(zip(draws, seeds, strict=True))),
        REMAINDER: numpy.arange(len(y)),
    }
    sizes = {name: int(numbers.max()) + 1 for name, numbers in groups.items()}
    counts = {DRAW: sizes[DRAW]}
    for name in (RETRAINED, SEED):
        # the distinct pairs of a draw and one of its models or seeds, counted by draw
        pairs = numpy.unique(numpy.stack([groups[DRAW], groups[name]]), axis=1)
        counts[name] = int(numpy.bincount(pairs[0]).max())
    # component -> its covariance structure: 1 where two values share the deviation, else 0
    structures: dict[str, ndarray] = {}
    for name, size in sizes.items():
        # A component can be estimated if it varies within draws (a draw: between them), and if no
        # earlier component has a deviation for each value, which would explain all variation.
        coarser_groups = 1 if name == DRAW else sizes[DRAW]
        saturated = any(sizes[earlier] == len(y) for earlier in structures)
        if size > coarser_groups and not saturated:
            structures[name] = (groups[name][:, None] == groups[name]).astype(float)
    if numpy.ptp(y) <= ROUNDING * numpy.abs(y).max():
        return Components(dict.fromkeys(structures, 0.0), counts)
    estimates = _minque(y, list(structures.values()))
    if estimates is None:
        return Components({}, counts)
    positive = (max(0.0, float(value)) for value in estimates)
    return Components(dict(zip(structures, positive, strict=True)), counts)


def _numbered(keys: Sequence) -> ndarray:
    """The keys as numbers: 0 for the first distinct one, 1 for the second, and so on."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return numpy.array([numbers[key] for key in keys])


def _minque(y: ndarray, structures: list[ndarray]) -> ndarray | None:
    """Variances of components with these covariance structures; None if they cannot be told apart
    or there are none.

    With V the sum of the structures S_i, and P = V⁻¹ - V⁻¹11ᵀV⁻¹ / (1ᵀV⁻¹1), the estimates solve
    Σ_j tr(P S_i P S_j) variance_j = yᵀ P S_i P y.
    """
    if not structures:
        return None
    inverse = numpy.linalg.inv(sum(structures))
    ones = inverse.sum(axis=1)  # V⁻¹1
    projection = inverse - numpy.outer(ones, ones) / ones.sum()  # P 1 = 0: the mean drops out
    projected = [projection @ structure for structure in structures]
    expected = numpy.empty((len(structures), len(structures)))
    for i, a in enumerate(projected):
        for j, b in enumerate(projected):
            expected[i, j] = numpy.sum(a * b.T)  # the trace of a b
    if numpy.linalg.matrix_rank(expected) < len(structures):
        return None
    residual = projection @ y
    forms = [residual @ structure @ residual for structure in structures]
    return numpy.linalg.solve(expected, forms)


# --- how many draws a difference takes ---


def draws_needed(variance: float, difference: float) -> int | None:
    """The fewest draws with which a two-sided t-test at 5% detects a mean of `difference` with a
    chance of 80%; None if MOST_DRAWS are too few. variance: between draws."""
    if variance == 0:
        return 2  # the fewest with an interval
    # in two parts, because the first 30 numbers are mostly enough and the rest takes long
    for n in numpy.split(numpy.arange(2, MOST_DRAWS + 1), [30]):
        noncentrality = difference * (n / variance) ** 0.5
        critical = t.ppf(0.5 + LEVEL / 2, n - 1)
        # the upper tail alone: a significant difference of the wrong sign is no success
        power = nct.sf(critical, n - 1, noncentrality)
        enough = numpy.flatnonzero(power >= POWER)
        if len(enough):
            return int(n[enough[0]])
    return None

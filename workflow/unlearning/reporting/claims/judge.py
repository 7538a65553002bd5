"""Judge claims: compare the Student t interval of a difference with the claimed direction.

The interval is over draws, or over seeds if everything before unlearning was drawn once.
EXPLANATION has the rules.
"""

from dataclasses import asdict, dataclass, replace

import numpy

from unlearning.methods.registry import names
from unlearning.reporting.claims.file import Claim, experiments_with, metrics_of
from unlearning.reporting.claims.series import CONSTANT, Series, comparable, series
from unlearning.reporting.frame import unit_of
from unlearning.reporting.inference import DRAW, LEVEL, ROUNDING, bootstrap, half_width, p_of_mean
from unlearning.reporting.results import Results

SUPPORTED, REFUTED, MIXED = "supported", "not supported", "mixed"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SMALLEST = 5e-324  # the least positive float, in place of a p-value of 0, whose log is infinite
VERDICTS = (SUPPORTED, REFUTED, MIXED, INCONCLUSIVE, NOT_RUN)

EXPLANATION = (
    "A claim is judged in parts: once for each forget split (of those it names, if it names any) "
    "or setting of its study, matching variant and attack. A part's statistic is the difference "
    "between the two sides, seed by seed where both have seeds; the target and the retrained "
    "models have no unlearning seed and enter as constants. Where everything before unlearning "
    "was drawn several times, the differences of a draw are averaged first, each with the target "
    "and the retrained models of its own draw, and the interval is over draws. If the two-sided "
    "95% Student t interval of the mean difference lies wholly on the claimed side, the part is "
    "supported; wholly on the other side, not supported; otherwise, or with too few seeds, "
    "inconclusive. A comparison without seeds is judged by its value alone. The claim itself is "
    "supported if all its parts are, mixed if some are and others are not, not supported if some "
    "are not and none is, and inconclusive otherwise. Beside each verdict stands the one after "
    "Holm's correction, which asks of all intervals of this report together that with 95% none is "
    "wrong: p-values of the mean differences, multiplied by how many there are from theirs "
    "upwards."
)


@dataclass(frozen=True)
class Part:
    """A claim judged on one split, variant and attack.

    split, variant, against, attack: what is compared; `against` is the variant of the other side.
    numbers: `of` and `than` (means of the two sides, geometric on scale log10; `than` includes the
        claim's factor and margin), `difference`, `low`, `high` (on the claim's scale), `p`
        (two-sided); with several draws `bootstrap_low` and `bootstrap_high`.
    seeds: number of compared values in all draws, 0 if neither side has seeds.
    draws: number of draws with values; if there are several, the interval is over draws.
    holm: p after Holm's correction; None without a p. corrected: the verdict by it.
    """

    split: str
    variant: str
    against: str
    attack: str
    verdict: str
    reason: str
    numbers: dict[str, float]
    seeds: int
    draws: int = 1
    holm: float | None = None
    corrected: str = ""

    @property
    def n(self) -> int:
        """Number of values that the interval is over: draws if there are several, else seeds."""
        return self.draws if self.draws > 1 else self.seeds


@dataclass(frozen=True)
class Judged:
    """A claim and its parts."""

    claim: Claim
    parts: list[Part]

    @property
    def verdict(self) -> str:
        return combined([part.verdict for part in self.parts])

    @property
    def corrected(self) -> str:
        return combined([part.corrected or part.verdict for part in self.parts])

    def record(self) -> dict:
        """The entry in claims.json."""
        keys = ["id", "statement", "source", "metric", *(["study"] if self.claim.study else [])]
        claim = {key: getattr(self.claim, key) for key in keys}
        verdicts = {"verdict": self.verdict, "after_holm": self.corrected}
        parts = [asdict(part) for part in self.parts]
        return {**claim, "method": self.claim.of.method, **verdicts, "parts": parts}


def combined(verdicts: list[str]) -> str:
    """One verdict from those of the parts that were run."""
    run = {verdict for verdict in verdicts if verdict != NOT_RUN}
    if not run:
        return NOT_RUN
    if run == {SUPPORTED}:
        return SUPPORTED
    # a single part on the wrong side is enough, even beside parts that nobody can tell
    if REFUTED in run:
        return MIXED if SUPPORTED in run else REFUTED
    return INCONCLUSIVE


def judge(claims: list[Claim], results: Results) -> list[Judged]:
    """Every claim about this kind of experiment, judged, in the file's order."""
    # claims of other studies are left out rather than `not run`: no config of this kind has them
    judged = []
    for claim in claims:
        if claim.study in results.judged_splits:
            judged.append(Judged(claim, _parts(claim, results)))
    return _holm(judged)


def _parts(claim: Claim, results: Results) -> list[Part]:
    """The parts of a claim in all of its splits; a part `not run` if no split was run."""
    parts = []
    for split in results.judged_splits[claim.study]:
        if split in claim.splits or not claim.splits:
            parts += _in_split(claim, split, results)
    # none where the experiment has no split that the claim names
    return parts or [not_run(claim, ", ".join(claim.splits))]


def metric_title(claim: Claim) -> str:
    return metrics_of(claim.study)[claim.metric].title


def _in_split(claim: Claim, split: str, results: Results) -> list[Part]:
    """The parts of a claim in one split; a part `not run` if there is nothing to judge."""
    sides = series(claim.of, claim.metric, results, split)
    # pairs of what is compared: with another metric of the same models, with a number, or with
    # other models
    if claim.than_metric is not None:
        bounds = {}
        for bound in series(claim.of, claim.than_metric, results, split):
            # without a label: the page would say that a variant is compared with itself
            bounds[bound.label, bound.attack] = replace(bound, label="")
        pairs = [(s, bounds[s.label, s.attack]) for s in sides if (s.label, s.attack) in bounds]
    elif claim.value is not None:
        # the same number in each draw, which every seed is compared with
        constants: dict[int, dict[int | None, float]] = {}
        for side in sides:
            for draw in side.values:
                constants[draw] = {CONSTANT: claim.value}
        pairs = [(side, Series("", "", constants)) for side in sides]
    else:
        assert claim.than is not None  # one of the three is stated
        bounds_of_than = series(claim.than, claim.metric, results, split)
        pairs = []
        for side in sides:
            for bound in bounds_of_than:
                if comparable(claim.of, side, claim.than, bound):
                    pairs.append((side, bound))
    unit = unit_of(results.frame)  # of all results: these models may have runs of one draw alone
    return [_part(claim, split, *pair, unit) for pair in pairs] or [not_run(claim, split)]


def not_run(claim: Claim, split: str) -> Part:
    """A part without a verdict, because its models were not run; names experiments with them."""
    models = claim.of.label + (f" and {claim.than.label}" if claim.than else "")
    reason = f"no results of {models} for this metric in this experiment"
    methods = {side.method for side in (claim.of, claim.than) if side and not side.constant}
    if not methods <= set(names()):  # a method of a config's own, which no shipped one runs
        reason += "; a config with that method judges it"
    elif not claim.study:
        reason += f"; {advice(claim)}"
    return Part(split, "", "", "", NOT_RUN, reason, {}, 0)


def advice(claim: Claim) -> str:
    """Which shipped experiments have what a claim needs: its kind, models and splits."""
    fitting = experiments_with(claim)
    return f"{' or '.join(fitting)} is made for it" if fitting else "no shipped experiment has it"


def _part(claim: Claim, split: str, side: Series, bound: Series, unit: str) -> Part:
    """The verdict on one comparison. unit: what the interval is over, draw or seed."""
    pairs = _pairs(side, bound, claim)
    constant = side.constant and bound.constant
    seeds = 0 if constant else sum(map(len, pairs))
    if unit == DRAW:
        numbers = _over_draws(claim.scale, pairs)
        least, n = 2, len(pairs)  # the fewest with an interval
    else:
        # there is a single draw
        numbers = _over_seeds(claim.scale, pairs[0] if pairs else [], constant)
        # a comparison without seeds has no spread to wait for
        least, n = 0 if constant else claim.seeds_at_least, seeds
    verdict, reason = INCONCLUSIVE, f"{n} of at least {least} {unit}s"
    if n >= least:
        verdict, reason = _decide(claim, numbers)
    subject = (split, side.label, bound.label, side.attack)
    return Part(*subject, verdict, reason, numbers, seeds, max(1, len(pairs)))


def _pairs(side: Series, bound: Series, claim: Claim) -> list[list[tuple[float, float]]]:
    """Draw by draw, (value, value to compare with) of each seed that both sides have.

    A constant is paired with every seed of the other side.
    """
    # runs of one seed draw the same rows for each step, so in part they share their luck
    pairs = []
    for draw in side.values:
        values, bounds = side.values[draw], bound.values.get(draw, {})
        if CONSTANT in values:
            values = dict.fromkeys(bounds, values[CONSTANT])
        elif CONSTANT in bounds:
            bounds = dict.fromkeys(values, bounds[CONSTANT])
        of_draw = []
        for seed, value in values.items():
            if seed in bounds:
                of_draw.append((value, claim.factor * bounds[seed] + claim.margin))
        if of_draw:
            pairs.append(of_draw)
    return pairs


def _scaled(scale: str, pairs: list[tuple[float, float]]) -> numpy.ndarray:
    """(pairs, 2) values of both sides on a claim's scale: absolute, log10 or linear."""
    values = numpy.array(pairs, dtype=float)
    if scale == "absolute":
        return abs(values)
    return numpy.log10(numpy.maximum(values, SMALLEST)) if scale == "log10" else values


def _over_seeds(scale: str, pairs: list[tuple[float, float]], constant: bool) -> dict[str, float]:
    """Means, difference and interval over the seeds of one draw. Without seeds on either side the
    interval is the difference itself."""
    if not pairs:
        return {}
    numbers = _moments(scale, _scaled(scale, pairs))
    if constant:  # a single pair
        numbers["low"] = numbers["high"] = numbers["difference"]
    return numbers


def _over_draws(scale: str, pairs: list[list[tuple[float, float]]]) -> dict[str, float]:
    """Means, difference and interval over the means of draws, and the bootstrap interval of draws
    and seeds."""
    if not pairs:
        return {}
    draws = [_scaled(scale, draw) for draw in pairs]  # (pairs, 2) of each
    numbers = _moments(scale, numpy.array([draw.mean(axis=0) for draw in draws]))
    if len(draws) == 1:
        return numbers
    # bootstrap() takes (draws, retrained models, seeds); values here are means over the models
    differences = numpy.full((len(draws), 1, max(map(len, draws))), numpy.nan)
    for row, draw in zip(differences, draws, strict=True):
        row[0, : len(draw)] = draw[:, 0] - draw[:, 1]
    low, high = bootstrap(differences)
    return numbers | {"bootstrap_low": low, "bootstrap_high": high}


def _moments(scale: str, values: numpy.ndarray) -> dict[str, float]:
    """Means, difference, interval and p over units; a single unit has no interval.

    values: (units, 2), both sides on the claim's scale.
    """
    differences = values[:, 0] - values[:, 1]
    # A difference of rounding is none: three times 1e-16 would be an interval beside 0.
    differences[abs(differences) <= ROUNDING * abs(values).max(axis=1)] = 0.0
    mean, n = float(differences.mean()), len(differences)
    of, than = values.mean(axis=0).tolist()
    if scale == "log10":  # as values of the metric again; absolute ones stay
        of, than = 10**of, 10**than
    numbers = {"of": of, "than": than, "difference": mean}
    if n == 1:
        return numbers
    half = 0.0  # equal differences have no spread, but rounding would make it 1e-17
    if len(set(differences.tolist())) > 1:
        half = float(half_width(differences.std(ddof=1), n))
    return numbers | {"low": mean - half, "high": mean + half, "p": p_of_mean(differences)}


def _decide(claim: Claim, numbers: dict) -> tuple[str, str]:
    """The verdict and its reason: where the interval lies, seen from the claimed side."""
    # mirrored for "less", so that the claimed side is above 0
    sign = 1 if claim.relation == ">" else -1
    low, high = sorted((sign * numbers["low"], sign * numbers["high"]))
    if low > 0:
        return SUPPORTED, ""
    if high < 0:
        return REFUTED, ""
    return INCONCLUSIVE, "the interval includes no difference"


def holm(p_values: list[float]) -> list[float]:
    """p-values after Holm's step-down correction, in the order of the argument (Holm 1979)."""
    values = numpy.array(p_values)
    ascending = values.argsort(kind="stable")
    # the smallest of m values is multiplied by m, the next by m - 1, and so on
    scaled = numpy.minimum(1.0, numpy.arange(len(values), 0, -1) * values[ascending])
    # step-down: a corrected value is never below that of a smaller one
    values[ascending] = numpy.maximum.accumulate(scaled)
    return values.tolist()


def _holm(judged: list[Judged]) -> list[Judged]:
    """The claims with corrected verdicts. The family of tests is every part with a p-value."""
    p_values = []
    for item in judged:
        for part in item.parts:
            if "p" in part.numbers:
                p_values.append(part.numbers["p"])
    corrected = iter(holm(p_values))  # the loops below meet the parts in the same order
    after_holm = []
    for item in judged:
        parts = []
        for part in item.parts:
            if "p" in part.numbers:
                p = next(corrected)
                # the correction can only take a verdict back
                decided = part.verdict in (SUPPORTED, REFUTED)
                verdict = INCONCLUSIVE if decided and p >= 1 - LEVEL else part.verdict
                part = replace(part, holm=p, corrected=verdict)
            parts.append(part)
        after_holm.append(Judged(item.claim, parts))
    return after_holm

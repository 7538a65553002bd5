"""Verdicts on claims: a Student t interval over seeds against what the claim says."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from unlearning.methods.registry import names
from unlearning.reporting.claims_file import EXPERIMENTS, Claim, Selection, metrics_of
from unlearning.reporting.series import CONSTANT, Series, comparable
from unlearning.reporting.statistics import spread, t_interval

SUPPORTED, REFUTED = "supported", "not supported"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
SMALLEST = 5e-324  # log10 of an underflown p-value stays finite
VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE, NOT_RUN)

DECISION = (
    "If the two-sided 95% "
    "Student t interval of the mean difference lies wholly on the claimed side, the claim is "
    "supported; wholly on the other side, not supported; otherwise, or with too few seeds, "
    "inconclusive. A comparison without seeds is judged by its value alone. The intervals are not "
    "corrected for the number of claims."
)
EXPLANATION = (
    "Each claim is judged once per forget split (of those it names, if it names any), matching "
    "variant and attack. The statistic is the difference between the two sides, seed by seed where "
    "both have seeds; the target and the retrained models have no unlearning seed and enter as "
    "constants. " + DECISION
)


@dataclass(frozen=True)
class Verdict:
    """A claim judged on one split, variant and attack.

    numbers: of and than (means, geometric ones on scale log10; than includes factor and margin);
    difference, low, high (on the claim's scale). seeds: 0 where neither side has any.
    """

    claim: Claim
    split: str
    variant: str
    against: str
    attack: str
    verdict: str
    reason: str
    numbers: dict[str, float]
    seeds: int

    def record(self) -> dict:
        """As claims.json holds it."""
        shown = ("id", "statement", "source", "metric") + (("study",) if self.claim.study else ())
        claim = {key: getattr(self.claim, key) for key in shown}
        own = {k: v for k, v in asdict(self).items() if k != "claim"}
        return {**claim, "method": self.claim.of.method, **own}


def metric_title(claim: Claim) -> str:
    """Title of what a claim speaks of."""
    return metrics_of(claim.study)[claim.metric].title


def judge_place(
    claim: Claim, place: str, find: Callable[[Selection, str], list[Series]]
) -> list[Verdict]:
    """The verdicts in one place, a forget split or a setting of a synthetic study; `not run` if
    there is nothing to judge. find: the series of a selection and a metric."""
    sides = find(claim.of, claim.metric)
    if claim.than_metric is not None:
        own = {(s.label, s.attack): s for s in find(claim.of, claim.than_metric)}
        pairs = [(s, own[key]) for s in sides if (key := (s.label, s.attack)) in own]
        pairs = [(side, replace(other, label="")) for side, other in pairs]
    elif claim.than is None:
        value = Series("", "", {CONSTANT: claim.value})
        pairs = [(side, value) for side in sides]
    else:
        others = find(claim.than, claim.metric)
        every = [(side, other) for side in sides for other in others]
        pairs = [(s, o) for s, o in every if comparable(claim.of, s, claim.than, o)]
    return [_verdict(claim, place, *pair) for pair in pairs] or [not_run(claim, place)]


def not_run(claim: Claim, split: str) -> Verdict:
    """The verdict on what was not run here; it says where it would be."""
    wanted = claim.of.label + (f" and {claim.than.label}" if claim.than else "")
    reason = f"no results of {wanted} for this metric in this experiment"
    methods = [side.method for side in (claim.of, claim.than) if side and not side.constant]
    if not set(methods) <= set(names()):
        reason += "; a config with that method judges it"
    elif not claim.study:
        reason += f"; {EXPERIMENTS[claim.experiment]} is made for it"
    return Verdict(claim, split, "", "", "", NOT_RUN, reason, {}, 0)


def _verdict(claim: Claim, split: str, side: Series, other: Series) -> Verdict:
    pairs = _pairs(claim, side, other)
    constant = side.constant and other.constant
    numbers = _numbers(claim.scale, pairs, constant)
    verdict, reason = _decide(claim, numbers, len(pairs), constant)
    seeds = 0 if constant else len(pairs)
    return Verdict(
        claim, split, side.label, other.label, side.attack, verdict, reason, numbers, seeds
    )


def _pairs(claim: Claim, side: Series, other: Series) -> list[tuple[float, float]]:
    """(value, value to compare with) of each seed; constants meet every seed."""
    if side.constant or other.constant:
        seeds = [s for s in (*side.values, *other.values) if s is not CONSTANT] or [CONSTANT]
    else:
        seeds = [seed for seed in side.values if seed in other.values]

    def of(one: Series, seed) -> float:
        return one.values[CONSTANT if one.constant else seed]

    return [(of(side, s), claim.factor * of(other, s) + claim.margin) for s in seeds]


def _on(scale: str, value: float) -> float:
    if scale == "absolute":
        return abs(value)
    return math.log10(max(value, SMALLEST)) if scale == "log10" else value


def _off(scale: str, value: float) -> float:
    return 10**value if scale == "log10" else value


def _numbers(scale: str, pairs: list[tuple[float, float]], constant: bool) -> dict[str, float]:
    if not pairs:
        return {}
    ours, theirs = ([_on(scale, value) for value in side] for side in zip(*pairs, strict=True))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    numbers = {
        "of": _off(scale, spread(ours).mean),
        "than": _off(scale, spread(theirs).mean),
        "difference": spread(differences).mean,
    }
    if constant:
        numbers["low"] = numbers["high"] = differences[0]
    elif len(differences) > 1:
        numbers["low"], numbers["high"] = t_interval(differences)
    return numbers


def _decide(claim: Claim, numbers: dict, pairs: int, constant: bool) -> tuple[str, str]:
    if not constant and pairs < claim.seeds_at_least:
        return INCONCLUSIVE, f"{pairs} of at least {claim.seeds_at_least} seeds"
    sign = 1 if claim.relation == ">" else -1
    low, high = sorted((sign * numbers["low"], sign * numbers["high"]))
    if low > 0:
        return SUPPORTED, ""
    if high < 0:
        return REFUTED, ""
    return INCONCLUSIVE, "the interval includes no difference"

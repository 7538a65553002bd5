"""Claims as the page shows them: in words, and drawn as an interval against zero."""

from collections import Counter
from dataclasses import dataclass, replace

from unlearning.reporting.claims.file import Claim, metrics_of
from unlearning.reporting.claims.judge import VERDICTS, Judged, Part, metric_title
from unlearning.reporting.inference import DRAW, SEED
from unlearning.reporting.labels import attack_title, compact, metric_text, p_value, scientific

_SCALES = {"linear": "", "log10": " (on a log₁₀ scale)", "absolute": " (distances from 0)"}


@dataclass(frozen=True)
class Interval:
    """A drawing 100 wide: no difference at `zero`, the mean at `mean`, the claimed side shaded."""

    zero: float
    low: float
    mean: float
    high: float
    claimed_right: bool


@dataclass(frozen=True)
class Line:
    """A part in words."""

    verdict: str
    subject: str
    numbers: str
    difference: str
    unit: str
    n: int
    counted: str  # what n is of: draw or seed
    reason: str
    interval: Interval | None
    p: str
    changed: bool  # whether Holm's correction takes the verdict back
    bootstrap: str


def lines(judged: Judged) -> list[Line]:
    """One for each part."""
    return [_line(judged.claim, part) for part in judged.parts]


def counts(judged: list[Judged]) -> dict[str, int]:
    """Verdict -> of how many claims, in a fixed order."""
    tally = Counter(item.verdict for item in judged)
    return {name: tally[name] for name in VERDICTS}


def predicate(claim: Claim) -> str:
    """The claim as a formula: Model utility of NPO+RT β=0.1 > 0.9 × Target."""
    title = metric_title(claim)
    if claim.than_metric is not None:
        bound = f"{metric_title(replace(claim, metric=claim.than_metric))} of the same"
    elif claim.value is not None:
        bound = compact(claim.value)
    else:
        assert claim.than is not None  # one of the three is stated
        bound = claim.than.label
    if claim.factor != 1:
        bound = f"{compact(claim.factor)} × {bound}"
    if claim.margin != 0:
        bound += f" {'+' if claim.margin > 0 else '-'} {compact(abs(claim.margin))}"
    return f"{title}: {claim.of.label} {claim.relation} {bound}{_SCALES[claim.scale]}"


def _line(claim: Claim, part: Part) -> Line:
    numbers, metric = part.numbers, claim.metric
    attack = attack_title(part.attack)
    against = f"against {part.against}" if part.against else ""
    words = [part.split, part.variant, against, attack and f"attack with {attack}"]
    sides = ""
    if numbers:
        sides = f"{metric_text(metric, numbers['of'])} vs {metric_text(metric, numbers['than'])}"
    p = "" if part.holm is None else f"p {p_value(numbers['p'])}, Holm {p_value(part.holm)}"
    return Line(
        part.verdict,
        " · ".join(word for word in words if word),
        sides,
        _difference(part) if numbers else "",
        # differences on a log10 scale are of the metric's logarithm
        "orders of magnitude" if claim.scale == "log10" else metrics_of(claim.study)[metric].unit,
        part.n,
        DRAW if part.draws > 1 else SEED,
        part.reason,
        _interval(claim, part),
        p,
        part.holm is not None and part.corrected != part.verdict,
        _range(numbers, "bootstrap_low", "bootstrap_high") if "bootstrap_low" in numbers else "",
    )


def _difference(part: Part) -> str:
    """The mean difference and its interval."""
    numbers = part.numbers
    text = _signed(numbers["difference"])
    return f"{text} {_range(numbers, 'low', 'high')}" if part.n > 1 else text


def _range(numbers: dict[str, float], low: str, high: str) -> str:
    return f"[{_signed(numbers[low])}, {_signed(numbers[high])}]"


def _signed(value: float) -> str:
    if abs(value) < 1e-12:  # rounding: a sign would say that there is a difference
        return "0"
    if abs(value) < 1e-3:
        return f"{'+' if value > 0 else ''}{scientific(value)}"
    return f"{value:+.2f}" if abs(value) >= 1 else f"{value:+.3f}"


def _interval(claim: Claim, part: Part) -> Interval | None:
    numbers = part.numbers
    if "low" not in numbers:
        return None
    low, mean, high = numbers["low"], numbers["difference"], numbers["high"]
    # wide enough for both the interval and zero, however far apart they are
    left, right = min(low, 0.0), max(high, 0.0)
    margin = 0.12 * (right - left) or 1.0

    def percent(value: float) -> float:
        return round(100 * (value - left + margin) / (right - left + 2 * margin), 1)

    return Interval(percent(0), percent(low), percent(mean), percent(high), claim.relation == ">")

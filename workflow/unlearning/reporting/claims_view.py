"""Claims as the page shows them: grouped, in words, and drawn as an interval against zero."""

from collections import Counter
from dataclasses import dataclass, replace

from unlearning.reporting.claims import VERDICTS, Verdict, metric_title
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.labels import attack_title, compact, metric_text, scientific

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
    """A verdict in words."""

    verdict: str
    subject: str
    numbers: str
    difference: str
    seeds: str
    reason: str
    interval: Interval | None


@dataclass(frozen=True)
class Group:
    """A claim and its verdicts."""

    claim: Claim
    predicate: str
    lines: list[Line]


def groups(verdicts: list[Verdict]) -> list[Group]:
    """Claims in the file's order, each with its verdicts."""
    found: dict[str, Group] = {}
    for verdict in verdicts:
        claim = verdict.claim
        group = found.setdefault(claim.id, Group(claim, predicate(claim), []))
        group.lines.append(_line(verdict))
    return list(found.values())


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    """Verdict -> how often, in a fixed order."""
    found = Counter(verdict.verdict for verdict in verdicts)
    return {name: found[name] for name in VERDICTS}


def predicate(claim: Claim) -> str:
    """The claim as a formula: Model utility of NPO+RT β=0.1 > 0.9 × Target."""
    title = metric_title(claim)
    if claim.than_metric is not None:
        other = f"{metric_title(replace(claim, metric=claim.than_metric))} of the same"
    else:
        other = compact(claim.value) if claim.than is None else claim.than.label
    if claim.factor != 1:
        other = f"{compact(claim.factor)} × {other}"
    if claim.margin != 0:
        other += f" {'+' if claim.margin > 0 else '-'} {compact(abs(claim.margin))}"
    return f"{title}: {claim.of.label} {claim.relation} {other}{_SCALES[claim.scale]}"


def _line(verdict: Verdict) -> Line:
    numbers, metric = verdict.numbers, verdict.claim.metric
    attack = attack_title(verdict.attack)
    against = f"against {verdict.against}" if verdict.against else ""
    parts = [verdict.split, verdict.variant, against, attack and f"attack with {attack}"]
    words = difference = ""
    if numbers:
        words = f"{metric_text(metric, numbers['of'])} vs {metric_text(metric, numbers['than'])}"
        difference = _difference(verdict)
    return Line(
        verdict.verdict,
        " · ".join(part for part in parts if part),
        words,
        difference,
        str(verdict.seeds) if verdict.seeds else "–",
        verdict.reason,
        _interval(verdict),
    )


def _difference(verdict: Verdict) -> str:
    numbers = verdict.numbers

    def signed(value: float) -> str:
        if abs(value) < 1e-12:  # rounding
            return "0"
        if abs(value) < 1e-3:
            return f"{'+' if value > 0 else ''}{scientific(value)}"
        return f"{value:+.2f}" if abs(value) >= 1 else f"{value:+.3f}"

    text = signed(numbers["difference"])
    if verdict.seeds > 1:
        text += f" [{signed(numbers['low'])}, {signed(numbers['high'])}]"
    return text


def _interval(verdict: Verdict) -> Interval | None:
    numbers = verdict.numbers
    if "low" not in numbers:
        return None
    low, mean, high = numbers["low"], numbers["difference"], numbers["high"]
    left, right = min(low, 0.0), max(high, 0.0)
    margin = 0.12 * (right - left) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - left + margin) / (right - left + 2 * margin), 1)

    right_side = verdict.claim.relation == ">"
    return Interval(place(0), place(low), place(mean), place(high), right_side)

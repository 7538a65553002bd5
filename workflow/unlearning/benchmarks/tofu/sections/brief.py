"""The minute's summary: which variants forget, which keep their utility."""

from itertools import product

from unlearning.reporting.charts.specs import MEANINGFUL
from unlearning.reporting.frame import Spread
from unlearning.reporting.labels import NAMES, RETRAIN, TARGET, metric_text
from unlearning.reporting.section import Content

TITLE = "In brief"

KEPT = 0.9  # of the target's utility counts as kept


def content(report) -> Content:
    """Variants by mean log10 FQ against log10 0.05 and mean MU against 90% of the target's."""
    splits = [_split(report, split) for split in report.results.splits]
    return Content(words={"splits": splits, "kept": KEPT})


def _split(report, split: str) -> dict:
    """Variables of the template for a split.

    quadrants: (forgets, keeps utility) -> label of each variant, its numbers in words, and `open`:
    whether the 95% interval of one of them includes its border, so that a claim is inconclusive.
    """
    spreads = {label: spread for (name, label), spread in report.spreads.items() if name == split}
    border = KEPT * spreads[NAMES[TARGET]]["model_utility"].mean
    quadrants: dict[tuple[bool, ...], list[dict]]  # an empty one is shown too
    quadrants = {quadrant: [] for quadrant in product((True, False), repeat=2)}
    for label in report.results.variants[split]:
        if label not in spreads:  # no run of it is finished
            continue
        quality = spreads[label]["log10_forget_quality"]
        utility = spreads[label]["model_utility"]
        quadrant = quality.mean > MEANINGFUL, utility.mean > border
        unsure = _includes(quality, MEANINGFUL) or _includes(utility, border)
        variant = {"label": label, "numbers": _numbers(spreads[label]), "open": unsure}
        quadrants[quadrant].append(variant)
    references = [(name, _numbers(spreads[name])) for name in map(NAMES.get, (TARGET, RETRAIN))]
    return {
        "name": split,
        "references": references,
        "kept_from": metric_text("model_utility", border),
        "quadrants": quadrants,
        "variants": sum(map(len, quadrants.values())),
    }


def _includes(spread: Spread, border: float) -> bool:
    """Whether an interval includes a border, or is unknown for want of seeds."""
    if spread.low is None or spread.high is None:
        return True
    return spread.low <= border <= spread.high


def _numbers(spreads: dict[str, Spread]) -> str:
    words = []
    for key, name in (("forget_quality", "FQ"), ("model_utility", "MU")):
        if key in spreads:
            words.append(f"{name} {metric_text(key, spreads[key].mean)}")
    return " · ".join(words)

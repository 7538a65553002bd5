"""The minute's summary: which variants forget, which keep their utility."""

from dataclasses import dataclass

from unlearning.benchmarks.tofu.reporting.aggregates import Aggregate, aggregates
from unlearning.benchmarks.tofu.reporting.results import SplitResults
from unlearning.reporting.charts import MEANINGFUL
from unlearning.reporting.labels import metric_text

KEPT = 0.9  # of the target's utility counts as kept


@dataclass(frozen=True)
class Placed:
    """A variant with its two headline numbers; fq is the geometric mean."""

    label: str
    fq: str
    mu: str


@dataclass(frozen=True)
class Overview:
    """A split in brief. groups: (forgets, keeps utility) -> variants."""

    split: str
    target: Placed
    retrained: Placed
    noise_floor: str | None
    kept_from: str
    groups: dict[tuple[bool, bool], list[Placed]]
    variants: int


def overview(split: SplitResults) -> Overview:
    """Variants by mean log10 FQ against log10 0.05 and mean MU against 90% of the target's.

    The mean of log10 FQ rather than of FQ: one lucky seed does not lift the others.
    """
    target, retrained, *variants = aggregates(split)
    bar = KEPT * target.metrics["model_utility"].mean
    groups: dict[tuple[bool, bool], list[Placed]] = {
        (forgets, keeps): [] for forgets in (True, False) for keeps in (True, False)
    }
    for found in variants:
        forgets = found.metrics["log10_forget_quality"].mean > MEANINGFUL
        groups[forgets, found.metrics["model_utility"].mean > bar].append(_placed(found))
    floor = split.noise_floor.get("forget_quality")
    return Overview(
        split.split,
        _placed(target),
        _placed(retrained),
        None if floor is None else metric_text("forget_quality", floor),
        metric_text("model_utility", bar),
        groups,
        len(variants),
    )


def _placed(found: Aggregate) -> Placed:
    def mean(metric: str) -> float | None:
        spread = found.metrics.get(metric)
        return None if spread is None else spread.mean

    quality, utility = mean("log10_forget_quality"), mean("model_utility")
    typical = None if quality is None else 10**quality
    return Placed(
        found.label, metric_text("forget_quality", typical), metric_text("model_utility", utility)
    )

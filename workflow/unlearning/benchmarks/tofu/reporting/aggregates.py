"""One row per model variant: spreads of every metric over its seeds."""

from dataclasses import dataclass

from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.reporting.results import Evaluated, SplitResults
from unlearning.reporting.statistics import Spread, spread


@dataclass(frozen=True)
class Aggregate:
    """The seeds of a variant (or the target, or the retrained models) together."""

    split: str
    label: str
    method: str
    variant: str
    seeds: list[int]
    collapsed: list[int]  # seeds whose model collapsed
    metrics: dict[str, Spread]


def aggregates(split: SplitResults) -> list[Aggregate]:
    """Target, retrained models, then every variant in the config's order."""
    groups = [[split.target], split.retrained, *split.variants().values()]
    return [aggregate(models) for models in groups]


def aggregate(models: list[Evaluated]) -> Aggregate:
    """Mean and standard deviation of each metric over the models."""
    first = models[0]
    spreads = {name: spread(m.metrics.get(name) for m in models) for name in METRICS}
    return Aggregate(
        first.split,
        first.label,
        first.method,
        first.variant,
        [model.seed for model in models],
        [model.seed for model in models if model.collapsed],
        {name: found for name, found in spreads.items() if found is not None},
    )

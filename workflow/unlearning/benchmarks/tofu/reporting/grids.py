"""Grids of hyper-parameters: what a method's variants differ in, and which one the rule chooses."""

import math
from dataclasses import dataclass

from unlearning.benchmarks.tofu.reporting.results import Evaluated, SplitResults
from unlearning.reporting.charts import MEANINGFUL
from unlearning.reporting.statistics import mean_metrics

RULE = (
    "of the variants with a geometric mean FQ above 0.05, the one with the highest mean utility; "
    "where none is above, the one with the highest FQ"
)
Metrics = dict[str, float]


@dataclass(frozen=True)
class GridPoint:
    """A variant's place on the grid: values in the order of the axes, and its seeds."""

    label: str
    values: tuple[float, ...]
    models: list[Evaluated]


@dataclass(frozen=True)
class Grid:
    """A method's variants. axes: the hyper-parameters that vary. chosen: label, by RULE."""

    split: str
    method: str
    axes: tuple[str, ...]
    points: list[GridPoint]
    chosen: str


def chosen(variants: dict[str, list[Metrics]]) -> str:
    """The label that RULE chooses of label -> metrics of its seeds."""
    means = {label: mean_metrics(seeds) for label, seeds in variants.items()}

    def worth(label: str) -> tuple[bool, float]:
        quality = means[label]["log10_forget_quality"]
        passes = quality > MEANINGFUL
        return passes, means[label]["model_utility"] if passes else quality

    return max(means, key=worth)


def grids(split: SplitResults) -> list[Grid]:
    """Every method whose variants are all combinations of two values or more of something."""
    by_method: dict[str, dict[str, list[Evaluated]]] = {}
    for label, models in split.variants().items():
        by_method.setdefault(models[0].method, {})[label] = models
    found = [_grid(split.split, method, variants) for method, variants in by_method.items()]
    return [grid for grid in found if grid is not None]


def _grid(split: str, method: str, variants: dict[str, list[Evaluated]]) -> Grid | None:
    hyper = {label: dict(models[0].hyper) for label, models in variants.items()}
    first = next(iter(hyper.values()))
    if len(variants) < 2 or any(point.keys() != first.keys() for point in hyper.values()):
        return None
    sizes = {key: len({point[key] for point in hyper.values()}) for key in first}
    axes = tuple(key for key, size in sizes.items() if size > 1)
    if math.prod(sizes.values()) != len(variants):
        return None  # variants named one by one
    if any(isinstance(first[axis], str) for axis in axes):
        return None  # references are no numbers
    points = [
        GridPoint(label, tuple(hyper[label][axis] for axis in axes), models)
        for label, models in variants.items()
    ]
    best = chosen({label: [m.metrics for m in models] for label, models in variants.items()})
    return Grid(split, method, axes, points, best)

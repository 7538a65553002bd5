"""Grids of hyper-parameters: what a method's variants differ in, and which one the rule chooses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas

from unlearning.reporting.charts.specs import MEANINGFUL
from unlearning.reporting.frame import units
from unlearning.reporting.results import Results, Variant

RULE = (
    "of the variants with a geometric mean FQ above 0.05, the one with the highest mean utility; "
    "where none is above, the one with the highest FQ"
)


@dataclass(frozen=True)
class Grid:
    """A method's variants. axes: the hyper-parameters that vary. tuned: label, by RULE."""

    split: str
    method: str
    axes: tuple[str, ...]
    variants: list[Variant]
    tuned: str


def tuned(states: pandas.DataFrame) -> str:
    """The label that RULE chooses; states: rows of the frame, of one moment of each run."""
    keys = ["label", "metric"]
    means = units(states, ["label"]).groupby(keys, sort=False)["value"].mean().unstack()
    return best(means)


def best(means: Mapping[str, pandas.Series]) -> str:
    """The label that RULE chooses. means: log10 FQ and utility by label."""
    # the mean of log10 FQ, because of FQ itself the luckiest seed alone would decide
    quality, utility = means["log10_forget_quality"], means["model_utility"]  # by label, each
    passing = quality > MEANINGFUL
    return str(utility[passing].idxmax() if passing.any() else quality.idxmax())


def grids(results: Results, split: str, models: pandas.DataFrame) -> list[Grid]:
    """Every method whose variants are all combinations of two values or more of something.

    models: rows of the split's finished models.
    """
    by_method: dict[str, list[Variant]] = {}
    for label in models["label"].unique():
        if (variant := results.variants[split].get(label)) is not None:
            by_method.setdefault(variant.method, []).append(variant)
    complete = [_grid(split, variants, models) for variants in by_method.values()]
    return [grid for grid in complete if grid is not None]


def _grid(split: str, variants: list[Variant], models: pandas.DataFrame) -> Grid | None:
    names = variants[0].hyper.keys()
    # variants of several blocks may state other hyper-parameters, which have no common axes
    if len(variants) < 2 or any(variant.hyper.keys() != names for variant in variants):
        return None
    values = {name: {variant.hyper[name] for variant in variants} for name in names}
    axes = tuple(name for name in names if len(values[name]) > 1)
    if math.prod(map(len, values.values())) != len(variants):
        return None  # variants named one by one
    if any(isinstance(variants[0].hyper[axis], str) for axis in axes):
        return None  # references are no numbers
    rows = models["label"].isin([variant.label for variant in variants])
    return Grid(split, variants[0].method, axes, variants, tuned(models[rows]))

"""Published cells beside ours: the difference, and whether they lie inside our seeds' spread.

Only cells of this experiment's own base model and data, and of the same split. Where the source
states hyper-parameters, only the variants that have them; where it does not, every variant, and the
table says so. The forget quality of a published retrained model is that against itself, 1; ours is
the noise floor against another one: these two are not compared.
"""

import math
from dataclasses import dataclass

from unlearning.config.experiment import Experiment
from unlearning.reporting.labels import RETRAIN, metric_text
from unlearning.reporting.published import Model, Published
from unlearning.reporting.results import Evaluated, Results
from unlearning.reporting.statistics import spread

METHOD = (
    "A published value lies inside our spread if it is between the smallest and the largest of our "
    "seeds, widened by half a unit of its last printed digit. With one seed that is a single value."
)
_METRICS = {"forget_quality": "fq", "model_utility": "mu", "forget_truth_ratio": "truth_ratio"}
_DIGITS = 2  # decimals of numbers that are printed as such


@dataclass(frozen=True)
class Compared:
    """A published cell and ours. stated: whether the source states its hyper-parameters."""

    split: str
    label: str
    metric: str
    published: Published
    value: float
    stated: bool
    seeds: list[float]

    @property
    def mean(self) -> float:
        """Over our seeds."""
        return spread(self.seeds).mean

    @property
    def difference(self) -> float:
        """Ours minus published."""
        return self.mean - self.value

    @property
    def inside(self) -> bool:
        """Whether the published value lies inside our seeds' range."""
        half = _half_unit(self.value)
        return min(self.seeds) - half <= self.value <= max(self.seeds) + half

    @property
    def ours_text(self) -> str:
        """Mean ± standard deviation."""
        found = spread(self.seeds)
        sd = "" if found.sd is None else f" ± {metric_text(self.metric, found.sd)}"
        return metric_text(self.metric, found.mean) + sd

    @property
    def value_text(self) -> str:
        """As published."""
        texts = {"forget_quality": self.published.fq_text, "model_utility": self.published.mu_text}
        return texts.get(self.metric) or self.published.truth_ratio_text


def compared(results: Results, models: list[Model]) -> list[Compared]:
    """Every published cell of this experiment's own model that we have a value for."""
    rows = [row for model in models if model.same for row in model.rows]
    return [
        cell
        for split in results.splits
        for row in rows
        if row.split == split.split
        for seeds in _ours(row, split.models, results.experiment)
        for cell in _cells(row, seeds)
    ]


def _ours(row: Published, models: list[Evaluated], experiment: Experiment) -> list[list[Evaluated]]:
    """The seeds of each variant that a published row speaks of."""
    variants: dict[str, list[Evaluated]] = {}
    for model in models:
        if model.method == row.method and _agrees(dict(row.hyper), model, experiment):
            variants.setdefault(model.label, []).append(model)
    return [*variants.values()]


def _agrees(stated: dict[str, float], model: Evaluated, experiment: Experiment) -> bool:
    if not stated:
        return True
    hyper = dict(model.hyper)
    own = experiment.method(model.method, hyper).hyper
    complete = {"lr": experiment.config["unlearn"]["lr"], **own, **hyper}
    return all(complete.get(key) == value for key, value in stated.items())


def _cells(row: Published, seeds: list[Evaluated]) -> list[Compared]:
    cells = []
    for metric, published in _METRICS.items():
        value = getattr(row, published)
        ours = [model.metrics[metric] for model in seeds if metric in model.metrics]
        floor = metric == "forget_quality" and row.method == RETRAIN
        if value is not None and ours and not floor:
            first = seeds[0]
            cells.append(
                Compared(first.split, first.label, metric, row, value, bool(row.hyper), ours)
            )
    return cells


def _half_unit(value: float) -> float:
    """Half a unit of the last digit: of two decimals, or of three digits of a small number."""
    if value == 0 or abs(value) >= 0.01:
        return 0.5 * 10**-_DIGITS
    return 0.5 * 10 ** (math.floor(math.log10(abs(value))) - _DIGITS)

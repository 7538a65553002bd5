"""A published number beside ours: the difference, and whether it lies inside our seeds' spread."""

import math
from dataclasses import dataclass, field

from unlearning.config.experiment import Experiment
from unlearning.reporting.labels import RETRAIN, TARGET, metric_text
from unlearning.reporting.statistics import spread

EXPLANATION = (
    "A published value lies inside our spread if it is between the smallest and the largest of our "
    "seeds, widened by half a unit of its last printed digit. With one seed that is a single value."
)
TOLD = ("published", "difference", "inside_spread")  # further columns of main.csv
HEADER = ("split", "label", "metric", "published", "source", "hyper_stated")
HEADER += ("mean", "sd", "n", "difference", "inside_spread")


@dataclass(frozen=True)
class Source:
    """Where published numbers were published, and how they were made.

    config: sections of a config, as far as the numbers depend on them; they stand beside no run
    that has other values (made_with.py). hyper: method -> the hyper-parameters of its rows, unless
    a row says others. n: forget split -> rows of the test of forget quality.
    """

    title: str
    url: str
    note: str = ""
    config: dict = field(default_factory=dict)
    hyper: dict = field(default_factory=dict)
    n: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """A published cell and ours. text: the value as printed. half_unit: half a unit of its last
    printed digit. stated: whether the source states its hyper-parameters. seeds: our values."""

    split: str
    label: str
    metric: str
    value: float
    text: str
    half_unit: float
    source: Source
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
        low, high = min(self.seeds) - self.half_unit, max(self.seeds) + self.half_unit
        return low <= self.value <= high

    @property
    def ours_text(self) -> str:
        """Mean ± standard deviation."""
        found = spread(self.seeds)
        sd = "" if found.sd is None else f" ± {metric_text(self.metric, found.sd)}"
        return metric_text(self.metric, found.mean) + sd

    @property
    def difference_text(self) -> str:
        """The difference, signed; of numbers near 1 with three decimals."""
        return f"{self.difference:+.{1 if abs(self.value) > 10 else 3}f}"

    @property
    def place(self) -> str:
        """The difference, and where the published value lies."""
        return f"{self.difference_text}, {'inside' if self.inside else 'outside'}"

    def record(self) -> list:
        """A line of published.csv, under HEADER."""
        found = spread(self.seeds)
        return [
            *(self.split, self.label, self.metric, self.value, self.source.title, self.stated),
            *(found.mean, found.sd, found.n, self.difference, self.inside),
        ]


def published_columns(one: Compared | None) -> tuple:
    """The values of TOLD; None where nothing is published."""
    return (None, None, None) if one is None else (one.value, one.difference, one.inside)


def same_hyperparameters(
    stated: dict[str, float], method: str, hyper: dict, experiment: Experiment
) -> bool:
    """Whether a variant has the values that a source states; any has where it states none.

    hyper: what the config says of the variant.
    """
    if not stated or method in (TARGET, RETRAIN):
        return True
    own = experiment.method(method, hyper).hyper
    complete = {"lr": experiment.config["unlearn"]["lr"], **own, **hyper}
    return all(complete.get(key) == value for key, value in stated.items())


def half_unit(value: float, digits: int) -> float:
    """Half a unit of the last digit: of so many decimals, or of three digits of a small number."""
    if value == 0 or abs(value) >= 10**-digits:
        return 0.5 * 10**-digits
    return 0.5 * 10 ** (math.floor(math.log10(abs(value))) - digits)


def same_model(base: str, hub_ids: list[str]) -> bool:
    """Whether a folder or hub id names one of the hub ids: by its last part, whatever its case."""
    last = base.rstrip("/").rpartition("/")[2].lower()
    return last in {hub_id.rpartition("/")[2].lower() for hub_id in hub_ids}

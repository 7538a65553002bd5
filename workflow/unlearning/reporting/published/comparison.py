"""A published number beside ours: whether both were made alike, the difference, and the spread."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlearning.config.runs import OVERRIDES
from unlearning.methods import references
from unlearning.reporting.labels import RETRAIN, TARGET

EXPLANATION = (
    "A published value lies inside our spread if it is between the smallest and the largest of our "
    "values, one of each seed, or of each draw where there are several, widened by half a unit of "
    "its last printed digit. With one seed that is a single value."
)

COLUMNS = ["split", "label", "metric", "published", "source", "hyper_stated"]  # of published.csv
COLUMNS += ["mean", "sd", "n", "difference", "inside_spread"]


@dataclass(frozen=True)
class Source:
    """Where published numbers were published, and how they were made.

    config: sections of a config, as far as the numbers depend on them; they are compared with no
    run that has other values. hyper: method -> the hyper-parameters of its rows,
    unless a row says others. n: forget split -> rows of the test of forget quality.
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
    printed digit. hyper_stated: whether the source states its hyper-parameters. mean, sd: ours, as
    in the main table; values: those that the mean is of, of draws or seeds."""

    split: str
    label: str
    metric: str
    value: float
    text: str
    half_unit: float
    source: Source
    hyper_stated: bool
    mean: float
    sd: float | None
    values: list[float]

    @property
    def difference(self) -> float:
        """Ours minus published."""
        return self.mean - self.value

    @property
    def inside(self) -> bool:
        """Whether the published value lies inside the range of our values."""
        low, high = min(self.values) - self.half_unit, max(self.values) + self.half_unit
        return low <= self.value <= high

    @property
    def difference_text(self) -> str:
        """The difference, signed; of numbers near 1 with three decimals."""
        return f"{self.difference:+.{1 if abs(self.value) > 10 else 3}f}"

    @property
    def note(self) -> str:
        """The remark below our number in a table."""
        where = "inside" if self.inside else "outside"
        return f"published {self.text} ({self.difference_text}, {where})"

    def record(self) -> list:
        """A line of published.csv, in the order of COLUMNS."""
        published = [self.split, self.label, self.metric, self.value, self.source.title]
        ours = [self.mean, self.sd, len(self.values), self.difference, self.inside]
        return [*published, self.hyper_stated, *ours]


def half_unit(value: float, digits: int) -> float:
    """Half a unit of the last digit: of so many decimals, or of three digits of a small number."""
    if value == 0 or abs(value) >= 10**-digits:
        return 0.5 * 10**-digits
    # such as 1.2e-13, whose decimals count from its first digit
    return 0.5 * 10 ** (math.floor(math.log10(abs(value))) - digits)


def same_settings(
    published: Mapping[str, Any], method: str, hyper: Mapping[str, Any], config: Mapping[str, Any]
) -> bool:
    """Whether a run has the settings that a source of published numbers states.

    published: sections of a config with the keys that the source's numbers depend on. hyper: the
    variant's in the config, which may override its recipe, or name another reference than the
    target, which no published run has. Target and retrained models are not unlearned: section
    `unlearn` does not count for them.
    """
    if hyper.get("reference", references.TARGET) != references.TARGET:
        return False
    # a variant's own epochs or learning rate, in place of the section's
    overridden = {key: hyper[key] for key in OVERRIDES if key in hyper}
    ours = {**config, "unlearn": {**config["unlearn"], **overridden}}
    sections = dict(published)
    if method in (TARGET, RETRAIN):
        sections.pop("unlearn", None)
    return holds(ours, sections)


def holds(config: Any, settings: Any) -> bool:
    """Whether a config has every key of some settings, with the same value."""
    if not isinstance(settings, dict):
        return config == settings
    # a section that the config leaves out is null, or is not there
    if not isinstance(config, dict):
        return False
    return all(key in config and holds(config[key], v) for key, v in settings.items())

"""What a claim compares: a metric of one variant, by draw and seed, taken from the frame."""

from dataclasses import dataclass, field
from typing import Any

from unlearning.methods import references
from unlearning.reporting.claims.file import Selection
from unlearning.reporting.frame import FINAL, finals, spreads
from unlearning.reporting.grids import tuned
from unlearning.reporting.labels import NAMES
from unlearning.reporting.peaks import QUALITY, at_peak
from unlearning.reporting.results import Results, Variant

CONSTANT = None  # the "seed" of a value that no unlearning seed changes


@dataclass(frozen=True)
class Series:
    """A metric of one variant: draw -> seed -> value. attack: the relearning attack, or "".
    unstated: the hyper-parameters that the claim leaves open."""

    label: str
    attack: str
    values: dict[int, dict[int | None, float]]
    unstated: dict[str, Any] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether this is one number in each draw, without seeds."""
        return any(CONSTANT in seeds for seeds in self.values.values())


def series(selection: Selection, metric: str, results: Results, split: str) -> list[Series]:
    """One series for each matching variant (and attack); none where nothing was run.

    Target and retrained models have no unlearning seed: they are one number in each draw, their
    mean.
    """
    here = results.rows(split, metric, QUALITY, "model_utility")  # the latter: peaks, tuned grids
    if selection.constant:
        models = finals(here[here["method"] == selection.method])
        means: dict[int, dict[int | None, float]] = {
            draw: {CONSTANT: found[metric].mean}
            for (draw,), found in spreads(models, ["draw"]).items()
            if metric in found
        }
        return [Series(NAMES[selection.method], "", means)] if means else []
    matching = {
        label: {k: v for k, v in variant.complete.items() if k not in dict(selection.hyper)}
        for label, variant in results.variants.get(split, {}).items()
        if _matches(selection, variant)
    }
    here = here[here["label"].isin(matching)]
    states = at_peak(here) if selection.at == "peak" else here[here["phase"] == FINAL]
    if selection.pick == "tuned" and len(states):
        best = tuned(states)
        states = states[states["label"].isin([best])]
    rows = states[(states["metric"] == metric) & states["attack"].str.startswith(selection.attack)]
    found = []
    for (label, attack), runs in rows.groupby(["label", "attack"], sort=False):
        values: dict[int, dict[int | None, float]] = {}
        for draw, seed, value in zip(runs["draw"], runs["seed"], runs["value"], strict=True):
            values.setdefault(draw, {})[seed] = value
        found.append(Series(label, attack, values, matching[label]))
    return found


def _matches(selection: Selection, variant: Variant) -> bool:
    """Whether a variant is of the method and has the selection's values: as stated, or by the
    defaults. A method is meant with its published reference, the target, unless another is named.
    """
    wanted: dict[str, Any] = dict(selection.hyper)
    if "reference" in variant.complete:
        wanted = {"reference": references.TARGET, **wanted}
    same = all(variant.complete.get(key) == value for key, value in wanted.items())
    return variant.method == selection.method and same


def comparable(of: Selection, side: Series, than: Selection, other: Series) -> bool:
    """Whether two series may be compared: attacks with equal shares of the forget set, by equal
    rows unless `than` names its own; of one method, variants that differ in what is stated."""
    if other.constant:
        return True
    attacks = [one.attack.partition("/") for one in (side, other)]
    same_attack = attacks[0] == attacks[1] or (than.attack and attacks[0][2] == attacks[1][2])
    if of.method != than.method:
        return bool(same_attack)
    stated = {key for key, _ in (*of.hyper, *than.hyper)}
    ours, theirs = (
        {key: value for key, value in one.unstated.items() if key not in stated}
        for one in (side, other)
    )
    return bool(same_attack) and (ours == theirs or "tuned" in (of.pick, than.pick))

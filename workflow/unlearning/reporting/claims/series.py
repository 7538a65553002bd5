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
    free: the hyper-parameters that the claim leaves open."""

    label: str
    attack: str
    values: dict[int, dict[int | None, float]]
    free: dict[str, Any] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether this is one number in each draw, without seeds."""
        return any(CONSTANT in seeds for seeds in self.values.values())


def series(selection: Selection, metric: str, results: Results, split: str) -> list[Series]:
    """One series for each matching variant (and attack); none where nothing was run.

    Target and retrained models have no unlearning seed: they are one number in each draw, their
    mean.
    """
    # FQ and utility too: they choose peaks and tuned variants
    frame = results.rows(split, metric, QUALITY, "model_utility")
    if selection.constant:
        # spreads() averages log10 p, and takes p of that mean
        models = finals(frame[frame["method"] == selection.method])
        means: dict[int, dict[int | None, float]] = {}
        for (draw,), metrics in spreads(models, ["draw"]).items():
            if metric in metrics:
                means[draw] = {CONSTANT: metrics[metric].mean}
        return [Series(NAMES[selection.method], "", means)] if means else []
    free: dict[str, dict[str, Any]] = {}  # matching label -> hyper-parameters left open
    for label, variant in results.variants.get(split, {}).items():
        if _matches(selection, variant):
            free[label] = dict(variant.complete)
            for key, _ in selection.hyper:
                del free[label][key]
    frame = frame[frame["label"].isin(free)]
    states = at_peak(frame) if selection.at == "peak" else frame[frame["phase"] == FINAL]
    if selection.pick == "tuned" and len(states):
        best = tuned(states)
        states = states[states["label"].isin([best])]
    # only now: the tuned variant is chosen among all, those without the claim's metric included
    rows = states[(states["metric"] == metric) & states["attack"].str.startswith(selection.attack)]
    matching = []
    for (label, attack), runs in rows.groupby(["label", "attack"], sort=False):
        values: dict[int, dict[int | None, float]] = {}
        for draw, seed, value in zip(runs["draw"], runs["seed"], runs["value"], strict=True):
            values.setdefault(draw, {})[seed] = value
        matching.append(Series(label, attack, values, free[label]))
    return matching


def _matches(selection: Selection, variant: Variant) -> bool:
    """Whether a variant is of the method and has the selection's values: as stated, or by the
    defaults. A method is meant with its published reference, the target, unless another is named.
    """
    # complete: a claim about β = 0.1 holds for a config that leaves it to the method's default
    hyper: dict[str, Any] = dict(selection.hyper)
    if "reference" in variant.complete:
        hyper = {"reference": references.TARGET, **hyper}
    same = all(variant.complete.get(key) == value for key, value in hyper.items())
    return variant.method == selection.method and same


def comparable(of: Selection, side: Series, than: Selection, bound: Series) -> bool:
    """Whether two series may be compared: attacks with equal shares of the forget set, by equal
    rows unless `than` names its own; of one method, variants that differ in what is stated."""
    if bound.constant:
        return True
    # kind and share, as in random/fraction=0.1
    attacks = [item.attack.partition("/") for item in (side, bound)]
    same_attack = attacks[0] == attacks[1] or (than.attack and attacks[0][2] == attacks[1][2])
    if of.method != than.method:
        return bool(same_attack)
    # the claim is about what it names: two variants that differ in anything else besides would let
    # that decide
    named = {key for key, _ in (*of.hyper, *than.hyper)}
    keys = (side.free.keys() | bound.free.keys()) - named
    same_hyper = all(side.free.get(key) == bound.free.get(key) for key in keys)
    return bool(same_attack) and (same_hyper or "tuned" in (of.pick, than.pick))

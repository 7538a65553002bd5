"""Which runs a claim speaks of, and their values of its metric."""

from dataclasses import dataclass, field, replace

from unlearning.benchmarks.tofu.report.grids import chosen
from unlearning.benchmarks.tofu.report.peaks import peaks
from unlearning.benchmarks.tofu.report.results import Evaluated, Results, SplitResults
from unlearning.methods import references
from unlearning.reporting.claims_file import ATTACK_METRICS, Selection
from unlearning.reporting.labels import TARGET
from unlearning.reporting.statistics import spread

CONSTANT = None  # the "seed" of a value that no unlearning seed changes


@dataclass(frozen=True)
class Series:
    """A metric of one variant: seed -> value. attack: the relearning attack, or "". unstated: the
    hyper-parameters that the claim leaves open."""

    label: str
    attack: str
    values: dict[int | None, float]
    unstated: dict[str, float] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether this is one number without seeds."""
        return CONSTANT in self.values


def series(
    selection: Selection, metric: str, results: Results, split: SplitResults
) -> list[Series]:
    """One series for each matching variant (and attack); none where nothing was run."""
    if selection.constant:
        models = [split.target] if selection.method == TARGET else split.retrained
        found = spread(model.metrics.get(metric) for model in models)
        name = "Target" if selection.method == TARGET else "Retrained"
        return [Series(name, "", {CONSTANT: found.mean})] if found else []
    variants = {
        label: models
        for label, models in split.variants().items()
        if _matches(selection, models[0], results)
    }
    rest = {label: _unstated(selection, variants[label][0], results) for label in variants}
    if metric in ATTACK_METRICS:
        found = [s for label in variants for s in _attack_series(label, variants[label], split)]
        found = [s for s in found if s.attack.startswith(selection.attack)]
    else:
        found = _at(selection, metric, variants, split)
    return [replace(one, unstated=rest[one.label]) for one in found]


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


def _at(
    selection: Selection, metric: str, variants: dict[str, list[Evaluated]], split: SplitResults
) -> list[Series]:
    """A metric at the last epoch, or at each variant's peak; of all variants, or the tuned one."""
    if selection.at == "peak":
        states = {p.label: p.at_peak for p in peaks(split) if p.label in variants}
    else:
        states = {label: {m.seed: m.metrics for m in ms} for label, ms in variants.items()}
    if selection.pick == "tuned" and states:
        best = chosen({label: [*seeds.values()] for label, seeds in states.items()})
        states = {best: states[best]}
    return [
        Series(label, "", values)
        for label, seeds in states.items()
        if (values := {seed: found[metric] for seed, found in seeds.items() if metric in found})
    ]


def _complete(model: Evaluated, results: Results) -> dict[str, float]:
    """A variant's values: as stated, or by the method's and the recipe's defaults."""
    recipe = results.experiment.config["unlearn"]
    defaults = {"epochs": recipe["epochs"], "lr": recipe["lr"], "reference": references.TARGET}
    hyper = dict(model.hyper)
    return {**defaults, **results.experiment.method(model.method, hyper).hyper, **hyper}


def _matches(selection: Selection, model: Evaluated, results: Results) -> bool:
    """Whether a variant is of the method and has the selection's values.

    A method is meant with its published reference, the target, unless the selection names another.
    """
    if model.method != selection.method:
        return False
    complete = _complete(model, results)
    wanted = {"reference": references.TARGET, **dict(selection.hyper)}
    return all(complete.get(key) == value for key, value in wanted.items())


def _unstated(selection: Selection, model: Evaluated, results: Results) -> dict[str, float]:
    stated = {key for key, _ in selection.hyper}
    return {k: v for k, v in _complete(model, results).items() if k not in stated}


def _attack_series(label: str, models: list[Evaluated], split: SplitResults) -> list[Series]:
    """log10 FQ before minus after each attack."""
    after: dict[str, dict[int, float]] = {}
    for point in split.attacks:  # in the order of epochs: the last one stays
        if point.label == label:
            last = after.setdefault(point.attack, {})
            last[point.cell.seed] = point.metrics["log10_forget_quality"]
    before = {m.seed: m.metrics["log10_forget_quality"] for m in models}
    drops = {
        attack: {seed: before[seed] - value for seed, value in last.items() if seed in before}
        for attack, last in after.items()
    }
    return [Series(label, attack, values) for attack, values in drops.items() if values]

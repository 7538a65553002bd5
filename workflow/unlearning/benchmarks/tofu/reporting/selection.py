"""Which runs a claim speaks of, and their values of its metric."""

from dataclasses import replace

from unlearning.benchmarks.tofu.metrics import ATTACK_METRICS
from unlearning.benchmarks.tofu.reporting.grids import chosen
from unlearning.benchmarks.tofu.reporting.peaks import peaks
from unlearning.benchmarks.tofu.reporting.results import Evaluated, Results, SplitResults
from unlearning.methods import references
from unlearning.reporting.claims_file import Selection
from unlearning.reporting.labels import TARGET
from unlearning.reporting.series import CONSTANT, Series
from unlearning.reporting.statistics import spread


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

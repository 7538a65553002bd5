"""Verdicts on the claims about MUSE and WMDP: over their models, as over TOFU's."""

from unlearning.config.experiment import Experiment
from unlearning.reporting.claims import Verdict, judge_place
from unlearning.reporting.claims_file import Claim, Selection
from unlearning.reporting.evaluated import EvaluatedModel, seed_groups
from unlearning.reporting.series import CONSTANT, Series


def judge_models(
    claims: list[Claim], study: str, experiment: Experiment, models: list[EvaluatedModel]
) -> list[Verdict]:
    """The verdicts on a study's claims, once for each of the experiment's own forget splits."""
    return [
        verdict
        for claim in claims
        if claim.study == study
        for split in experiment.own_splits
        for verdict in judge_place(
            claim,
            split,
            lambda selection, metric, split=split: _series(
                selection, metric, experiment, [m for m in models if m.split == split]
            ),
        )
    ]


def _series(
    selection: Selection, metric: str, experiment: Experiment, models: list[EvaluatedModel]
) -> list[Series]:
    """One series for each matching variant; one number for the target or the retrained models."""
    found = []
    for group in seed_groups([m for m in models if _matches(selection, m, experiment)]):
        measured = group.metric(metric)
        if measured is not None:
            values = {m.seed: m.metrics[metric] for m in group.models if metric in m.metrics}
            own = {CONSTANT: measured.mean} if selection.constant else values
            found.append(Series(group.first.label, "", own))
    return found


def _matches(selection: Selection, model: EvaluatedModel, experiment: Experiment) -> bool:
    """Whether a model has the selection's values: as stated, or by the method's defaults."""
    if model.method != selection.method or selection.constant:
        return model.method == selection.method
    recipe, hyper = experiment.config["unlearn"], experiment.hyper(model.method, model.variant)
    defaults = {key: recipe[key] for key in ("epochs", "lr")}
    complete = {**defaults, **experiment.method(model.method, hyper).hyper, **hyper}
    return all(complete.get(key) == value for key, value in selection.hyper)

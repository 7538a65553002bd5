"""What a synthetic experiment's report reads: the curves of every job; and its verdicts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unlearning.analysis.quantities import Curves
from unlearning.benchmarks.synthetic.experiment import MARKOV, SyntheticExperiment, study_hyper
from unlearning.benchmarks.synthetic.metrics import QUANTITIES
from unlearning.errors import UserError
from unlearning.files import read_json
from unlearning.reporting.claims import DECISION, Verdict, judge_place
from unlearning.reporting.claims_file import Claim, Selection
from unlearning.reporting.labels import compact, model_label
from unlearning.reporting.series import Series

METHOD = (
    "Each claim is judged once per setting of its study and matching variant, on the quantity that "
    "it names. The statistic is the difference between the two sides, seed by seed. " + DECISION
)
SETTINGS = {"length": "long and short chains", "memorization": "memorised and unmemorised chains"}


@dataclass(frozen=True)
class SyntheticRun:
    """One method with one seed. values: the study's quantities, those that the run has."""

    study: str
    setting: str
    method: str
    hyper: dict[str, float]
    label: str
    seed: int
    curves: Curves
    values: dict[str, float]
    collapsed: dict | None


@dataclass(frozen=True)
class SyntheticResults:
    """Everything read. records: the files of the jobs, for versions and machines."""

    experiment: SyntheticExperiment
    runs: list[SyntheticRun]
    records: list[dict]
    missing: list[Path]

    def variants(self, study: str, setting: str) -> dict[str, list[SyntheticRun]]:
        """Label -> its seeds, in the config's order."""
        found: dict[str, list[SyntheticRun]] = {}
        for run in self.runs:
            if (run.study, run.setting) == (study, setting):
                found.setdefault(run.label, []).append(run)
        return found


def setting_title(setting: str) -> str:
    """α = 1, or what the chains are."""
    name, _, value = setting.partition("=")
    return SETTINGS.get(name, f"α = {value}")


def read_synthetic(experiment: SyntheticExperiment) -> SyntheticResults:
    """Read every job's curves; UserError if there is not one."""
    results = SyntheticResults(experiment, [], [], [])
    for job in experiment.jobs():
        path = experiment.curves(job)
        if not path.is_file():
            results.missing.append(path)
            continue
        record = read_json(path)
        results.records.append(record)
        labels = _labels(record["runs"])
        for entry, label in zip(record["runs"], labels, strict=True):
            curves = entry["curves"]
            found = {name: q.value(curves) for name, q in QUANTITIES[job.study].items()}
            values = {name: value for name, value in found.items() if value is not None}
            own = entry["method"], entry["hyper"], label, job.seed, curves, values
            collapsed = entry.get("collapsed")
            results.runs.append(SyntheticRun(job.study, job.setting, *own, collapsed))
    if not results.runs:
        raise UserError(
            f"no curves under {experiment.layout.root}: run the workflow, at least one job of it"
        )
    return results


def _labels(entries: list[dict]) -> list[str]:
    """The method, with the values in which it differs from its other runs of the job."""
    labels = []
    for entry in entries:
        alike = [other["hyper"] for other in entries if other["method"] == entry["method"]]
        varied = {k: v for k, v in entry["hyper"].items() if any(o.get(k) != v for o in alike)}
        labels.append(model_label(entry["method"], varied))
    return labels


def stated(run: SyntheticRun) -> str:
    """The values that the config states: β=1, lr 0.005."""
    names = {"beta": "β=", "gamma": "γ=", "lr": "lr "}
    return ", ".join(f"{names.get(k, f'{k}=')}{compact(v)}" for k, v in run.hyper.items()) or "–"


def judge_synthetic(claims: list[Claim], results: SyntheticResults) -> list[Verdict]:
    """Verdicts on the claims about studies that this experiment has."""
    return [
        verdict
        for claim in claims
        if claim.study in results.experiment.studies
        for setting in results.experiment.settings_of(claim.study)
        for verdict in judge_place(
            claim, f"{claim.study}, {setting_title(setting)}", _finder(claim, setting, results)
        )
    ]


def _finder(
    claim: Claim, setting: str, results: SyntheticResults
) -> Callable[[Selection, str], list[Series]]:
    def find(selection: Selection, name: str) -> list[Series]:
        chosen = results.variants(claim.study, setting).items()
        matching = {label: runs for label, runs in chosen if _matches(selection, runs[0])}
        return [
            Series(label, "", values)
            for label, runs in matching.items()
            if (values := {r.seed: r.values[name] for r in runs if name in r.values})
        ]

    return find


def _matches(selection: Selection, run: SyntheticRun) -> bool:
    """Whether a run has the selection's values: as stated, or by the method's defaults."""
    defaults = {key: h.default for key, h in study_hyper(run.study, run.method).items()}
    complete = {**defaults, **run.hyper}
    return run.method == selection.method and all(complete[k] == v for k, v in selection.hyper)


def sets(study: str) -> tuple[str, ...]:
    """The distances that a study's curves hold."""
    if study == MARKOV:
        return "retain", "forget1", "forget2"
    return ("drift",) if study == "divergence" else ("forget_distance", "retain_distance")

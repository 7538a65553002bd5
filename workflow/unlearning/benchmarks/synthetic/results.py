"""What a synthetic experiment's report reads: the curves of every job."""

from unlearning.benchmarks.synthetic.experiment import SyntheticExperiment, study_hyper
from unlearning.benchmarks.synthetic.metrics import METRICS, QUANTITIES
from unlearning.config.layout import path_id
from unlearning.errors import UserError
from unlearning.files import read_json
from unlearning.reporting.frame import COURSE, FINAL, tidy
from unlearning.reporting.labels import hyper_words, model_label
from unlearning.reporting.results import Results, Variant

SETTINGS = {"length": "long and short chains", "memorization": "memorised and unmemorised chains"}
LEAD = (
    "The papers' studies without a language model: unlearning a logistic model of Gaussian points "
    "(NPO paper), and small transformers on mixtures of Markov chains (SimNPO paper). Every run is "
    "measured against a model retrained without what is to be forgotten."
)


def read(experiment: SyntheticExperiment) -> Results:
    """Every job's curves as rows of phase `course`, and the quantities taken from them; UserError
    if there is not one."""
    rows, missing, records = [], [], []
    variants: dict[str, dict[str, Variant]] = {}
    judged_splits: dict[str | None, list[str]] = {study: [] for study in experiment.studies}
    for job in experiment.jobs():
        split = f"{job.study}, {setting_title(job.setting)}"
        if split not in judged_splits[job.study]:
            judged_splits[job.study].append(split)
        path = experiment.curves(job)
        if not path.is_file():
            missing.append(path)
            continue
        record = read_json(path)
        records.append(record)
        labels = _labels(record["runs"])
        for entry, label in zip(record["runs"], labels, strict=True):
            method, hyper, curves = entry["method"], entry["hyper"], entry["curves"]
            # claims name values that a config may leave to these defaults
            defaults = {key: h.default for key, h in study_hyper(job.study, method).items()}
            variant, complete = path_id(hyper), {**defaults, **hyper}
            note = ", ".join(hyper_words(hyper))
            entry_variant = Variant(method, variant, label, hyper, complete, note)
            variants.setdefault(split, {})[label] = entry_variant
            collapsed = entry.get("collapsed") is not None
            # Each seed of a job has data and a model of its own: it is a draw as well.
            run = f"{path.parent.name}/{label}"
            key = (split, method, variant, label, job.seed, job.seed, run)
            steps = curves["step"]
            for name, quantity in QUANTITIES[job.study].items():
                value = quantity.value(curves)
                rows.append((*key, FINAL, "", "", None, steps[-1], collapsed, name, value))
            for name, values in curves.items():
                if name == "step":
                    continue
                metric = f"{name} by step"  # a quantity may have the curve's name
                for step, value in zip(steps, values, strict=True):
                    rows.append((*key, COURSE, "", "", None, step, False, metric, value))
    if not rows:
        raise UserError(
            f"no curves under {experiment.layout.root}: run the workflow, at least one job of it"
        )
    details = {"lead": LEAD, "notes": [], "evaluated": len(records), "records": records}
    frame = tidy(rows)
    return Results(experiment, frame, METRICS, variants, judged_splits, missing, details=details)


def setting_title(setting: str) -> str:
    """α = 1, or what the chains are."""
    name, _, value = setting.partition("=")
    return SETTINGS.get(name, f"α = {value}")


def _labels(entries: list[dict]) -> list[str]:
    """The method, with the values in which it differs from its other runs of the job."""
    variants: dict[str, list[dict]] = {}  # method -> hyper-parameters of its runs
    for entry in entries:
        variants.setdefault(entry["method"], []).append(entry["hyper"])
    labels = []
    for entry in entries:
        # A value that all runs of the method share says nothing; the note has all values.
        varied = {}
        for name, value in entry["hyper"].items():
            if any(hyper.get(name) != value for hyper in variants[entry["method"]]):
                varied[name] = value
        labels.append(model_label(entry["method"], varied))
    return labels

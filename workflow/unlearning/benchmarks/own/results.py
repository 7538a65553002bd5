"""What the report on your own data reads: forget quality and PrivLeak beside retrained models."""

import numpy

from unlearning.benchmarks.own.metrics import METRICS, SETS, tested
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.evaluation.membership import against_retrained
from unlearning.reporting.results import Compared, Comparison, Evaluation, Reader, Results
from unlearning.reporting.setup import models, recipe


class OwnReader(Reader):
    """A report makes sense without any retrained model."""

    retrained_needed = False


def read(experiment) -> Results:
    """Everything; UserError if the target's evaluation is missing. No claim is about your data."""
    results = OwnReader(experiment, OwnComparison).read(METRICS)
    results.places.clear()
    results.details |= {"lead": lead(experiment, results), "notes": notes(experiment, results)}
    return results


class OwnComparison(Comparison):
    """Means over the retrained models but the model itself."""

    def model(self, model: Evaluation) -> Compared:
        """Of any model."""
        others = {run: other for run, other in self.others.items() if run != model.run}
        attacks = self.experiment.config["evaluation"]["membership"]
        leaks = [against_retrained(model.rows, other.rows, attacks) for other in others.values()]
        found = self._quality(tested(model.rows["forget"]), others)
        for name in dict.fromkeys(name for leak in leaks for name in leak):
            values = [leak[name] for leak in leaks if name in leak]
            found[name] = sum(values) / len(values)
        return found

    retrained = model

    def point(self, point: dict, name: str) -> Compared:
        """A point's metrics, with forget quality where there are retrained models."""
        return point["metrics"] | self._quality(point["tested"], self.others)

    def _quality(self, values: list[float], others: dict[str, Evaluation]) -> Compared:
        if not others:
            return {}
        logs: Compared = {}
        for run, other in others.items():
            test = compare(numpy.array(values), numpy.array(tested(other.rows["forget"])))
            logs["log10_forget_quality", run] = test.log10_p
        mean = sum(logs.values()) / len(logs)
        each = logs if len(logs) > 1 else {}
        return {"forget_quality": 10**mean, "log10_forget_quality": mean, **each}


def lead(experiment, results: Results) -> str:
    """What was run, in words."""
    config = experiment.config
    rows = [
        f"{SETS[name].lower()} set {count}"
        for name, count in results.sizes["forget"].items()
        if name in SETS
    ]
    target = ""
    if config["target"] is None:
        made = "the base fine-tuned on the rows to forget and to keep"
        target = f"; the target is {made if experiment.fine_tunes else 'that model as it is'}"
    return (
        f"{', '.join(experiment.methods)} on {config['data']['name']} ({', '.join(rows)} rows "
        f"evaluated). {models(config)}{target}. Shared recipe: {recipe(config['unlearn'])}."
    )


def notes(experiment, results: Results) -> list[str]:
    """On forget quality and on claims."""
    retrained = len(experiment.retrain_runs())
    ratios = "forget_truth_ratio" in set(results.frame["metric"])
    values = "log truth ratios" if ratios else "the answers' losses per token"
    quality = (
        f"Forget quality compares {values} of the forget rows with those of {retrained} retrained "
        f"model{'s' if retrained != 1 else ''}."
        if retrained
        else "There is no retrained model, so forget quality cannot be taken: nothing here says "
        "what perfect forgetting would look like."
    )
    return [quality, "The papers' claims are about their own data and are not judged here."]

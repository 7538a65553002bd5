"""What the report on your own data reads: forget quality and PrivLeak beside retrained models."""

import numpy

from unlearning.benchmarks.own.metrics import METRICS, SETS, tested
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.evaluation.membership import against_retrained
from unlearning.reporting.labels import counted
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.results import Compared, Comparison, Evaluation, Reader, Results, averaged
from unlearning.reporting.setup import models, recipe


class OwnReader(Reader):
    """A report makes sense without any retrained model."""

    retrained_needed = False


def read(experiment) -> Results:
    """All results; UserError if the target's evaluation is missing. No claim is about your data."""
    results = OwnReader(experiment, OwnComparison).read(METRICS)
    results.judged_splits.clear()  # else claims without a study, TOFU's, were judged here
    results.details |= {"lead": lead(experiment, results), "notes": notes(experiment, results)}
    return results


class OwnComparison(Comparison):
    """Means over the retrained models other than the model itself."""

    def model(self, model: Evaluation) -> Compared:
        """Forget quality and membership of any model."""
        # A retrained model beside itself would be perfect; the only one is compared with none.
        baselines = {run: b for run, b in self.baselines.items() if run != model.run}
        attacks = self.experiment.config["evaluation"]["membership"]
        leaks = {}
        for run, baseline in baselines.items():
            leaks[run] = against_retrained(model.rows, baseline.rows, attacks)
        return self._quality(tested(model.rows["forget"]), baselines) | averaged(leaks)

    retrained = model  # one method for both: there is no main retrained model here

    def point(self, point: dict, name: str) -> Compared:
        """A point's metrics, with forget quality where there are retrained models."""
        return point["metrics"] | self._quality(point["tested"], self.baselines)

    def _quality(self, values: list[float], baselines: dict[str, Evaluation]) -> Compared:
        tests = {}
        for run, baseline in baselines.items():
            test = compare(numpy.array(values), numpy.array(tested(baseline.rows["forget"])))
            tests[run] = {QUALITY: test[QUALITY]}
        compared = averaged(tests, [QUALITY])
        # p-values are averaged on the log scale, as everywhere (frame.average).
        if baselines:
            compared["forget_quality"] = 10 ** compared[QUALITY]
        return compared


def lead(experiment, results: Results) -> str:
    config = experiment.config
    rows = []
    for name, count in results.sizes["forget"].items():
        if name in SETS:  # non-members are scored, but not evaluated
            rows.append(f"{SETS[name].lower()} set {count}")
    target = ""
    if config["target"] is None:
        fine_tuned = "the base fine-tuned on the rows to forget and to keep"
        target = f"; the target is {fine_tuned if experiment.fine_tunes else 'that model as it is'}"
    return (
        f"{', '.join(experiment.methods)} on {config['data']['name']} ({', '.join(rows)} rows "
        f"evaluated). {models(config)}{target}. Shared recipe: {recipe(config['unlearn'])}."
    )


def notes(experiment, results: Results) -> list[str]:
    retrained = len(experiment.retrain_runs())
    ratios = "forget_truth_ratio" in set(results.frame["metric"])
    values = "log truth ratios" if ratios else "the answers' losses per token"
    quality = (
        "There is no retrained model, so forget quality cannot be taken: nothing here says what "
        "perfect forgetting would look like."
    )
    if retrained:
        quality = (
            f"Forget quality compares {values} of the forget rows with those of "
            f"{counted(retrained, 'retrained model')}."
        )
    return [quality, "The papers' claims are about their own data and are not judged here."]

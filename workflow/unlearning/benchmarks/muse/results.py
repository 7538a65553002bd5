"""What a report on MUSE reads: PrivLeak against every retrained model."""

from unlearning.benchmarks.muse.formulas import PUBLISHED_AUC, privleak
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.results import Compared, Comparison, Evaluation, Reader, Results
from unlearning.reporting.setup import models, recipe


def read(experiment) -> Results:
    """Everything; UserError if the target or the first retrained model is missing.

    The target and the retrained models are those of the forget run, for later requests too.
    """
    results = Reader(experiment, MuseComparison).read(METRICS, "muse")
    results.details |= {"lead": lead(experiment), "notes": []}
    return results


class MuseComparison(Comparison):
    """PrivLeak: mean over the retrained models. Further retrained models are judged by the first
    one, which has no judge but the published one."""

    def model(self, model: Evaluation) -> Compared:
        """Of the target or an unlearned model."""
        return self._leak(model.metrics, list(self.others))

    def retrained(self, model: Evaluation) -> Compared:
        """Of a retrained model."""
        first = next(iter(self.others))
        return self._leak(model.metrics, [] if model.run == first else [first])

    def point(self, point: dict, name: str) -> Compared:
        """A point holds all metrics that need no second model."""
        return point["metrics"] | self._leak(point["metrics"], list(self.others))

    def _leak(self, metrics: dict[str, float], runs: list[str]) -> Compared:
        auc, found = metrics["min_k_auc"], Compared()
        leaks = {run: privleak(auc, self.others[run].metrics["min_k_auc"]) for run in runs}
        if leaks:
            found["privleak"] = sum(leaks.values()) / len(leaks)
        if len(leaks) > 1:
            found |= {("privleak", run): leak for run, leak in leaks.items()}
        published = PUBLISHED_AUC.get(self.experiment.config["data"].get("corpus"))
        if published is not None:
            found["privleak_published"] = privleak(auc, published)
        return found


def lead(experiment) -> str:
    """What was run, in words."""
    config = experiment.config
    corpus = config["data"].get("corpus") or config["data"].get("data_dir")
    data = f"MUSE {corpus}" if corpus else "generated news of the mini world"
    retrained = len(experiment.retrain_runs())
    return (
        f"{', '.join(experiment.methods)} on {data}. {models(config)}. Shared recipe: "
        f"{recipe(config['unlearn'])}. Every run is compared with {retrained} "
        f"model{'s' if retrained != 1 else ''} retrained without the forget set."
    )

"""What a report on MUSE reads: PrivLeak against every retrained model."""

from unlearning.benchmarks.muse.formulas import PUBLISHED_AUC, privleak
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.results import Compared, Comparison, Evaluation, Reader, Results
from unlearning.reporting.setup import models, recipe


def read(experiment) -> Results:
    """All results; UserError if the target or the first retrained model is missing.

    The target and the retrained models are those of the forget run, for later requests too.
    """
    results = Reader(experiment, MuseComparison).read(METRICS, "muse")
    results.details |= {"lead": lead(experiment), "notes": []}
    return results


class MuseComparison(Comparison):
    """PrivLeak: mean over the retrained models. Further retrained models are compared with the
    first one, which is compared with the published one alone."""

    def model(self, model: Evaluation) -> Compared:
        """PrivLeak of the target or of an unlearned model."""
        return self._leak(model.metrics, list(self.baselines))

    def retrained(self, model: Evaluation) -> Compared:
        """PrivLeak of a retrained model."""
        main_run = next(iter(self.baselines))
        return self._leak(model.metrics, [] if model.run == main_run else [main_run])

    def point(self, point: dict, name: str) -> Compared:
        """A point holds all metrics that need no second model."""
        return point["metrics"] | self._leak(point["metrics"], list(self.baselines))

    def _leak(self, metrics: dict[str, float], runs: list[str]) -> Compared:
        auc, compared = metrics["min_k_auc"], Compared()
        leaks = {run: privleak(auc, self.baselines[run].metrics["min_k_auc"]) for run in runs}
        if leaks:
            compared["privleak"] = sum(leaks.values()) / len(leaks)
        if len(leaks) > 1:
            for run, leak in leaks.items():
                compared["privleak", run] = leak
        published = PUBLISHED_AUC.get(self.experiment.config["data"].get("corpus"))
        if published is not None:
            compared["privleak_published"] = privleak(auc, published)
        return compared


def lead(experiment) -> str:
    """The experiment in words."""
    config = experiment.config
    corpus = config["data"].get("corpus") or config["data"].get("data_dir")
    data = f"MUSE {corpus}" if corpus else "generated news of the mini world"
    retrained = len(experiment.retrain_runs())
    return (
        f"{', '.join(experiment.methods)} on {data}. {models(config)}. Shared recipe: "
        f"{recipe(config['unlearn'])}. Every run is compared with {retrained} "
        f"model{'s' if retrained != 1 else ''} retrained without the forget set."
    )

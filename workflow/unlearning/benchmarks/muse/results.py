"""What a report on MUSE reads: PrivLeak and the reference attack against every retrained model."""

from unlearning.benchmarks.muse.formulas import PRIVLEAK, PUBLISHED_AUC, privleak
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.evaluation.membership import reference_attack
from unlearning.reporting.labels import counted
from unlearning.reporting.results import Compared, Comparison, Evaluation, Reader, Results, averaged
from unlearning.reporting.setup import models, recipe

REFERENCE = "mia_reference_auc"


def read(experiment) -> Results:
    """All results; UserError if the target or the first retrained model is missing.

    The target and the retrained models are those of the forget run, for later requests too.
    """
    results = Reader(experiment, MuseComparison).read(METRICS, "muse")
    results.details |= {"lead": lead(experiment), "notes": []}
    return results


class MuseComparison(Comparison):
    """PrivLeak, and the attack `reference` where the config names it: means over the retrained
    models. Further retrained models are compared with the first one, which is compared with the
    published one alone."""

    def model(self, model: Evaluation) -> Compared:
        """What the target or an unlearned model gives away; UserError for other texts."""
        return self._against(model, list(self.baselines))

    def retrained(self, model: Evaluation) -> Compared:
        """What a retrained model gives away."""
        main_run = next(iter(self.baselines))
        return self._against(model, [] if model.run == main_run else [main_run])

    def point(self, point: dict, name: str) -> Compared:
        """A point holds all metrics that need no second model, but no losses of texts."""
        # so PrivLeak follows from its AUC, but the attack `reference` does not
        return point["metrics"] | self._leak(point["metrics"], list(self.baselines))

    def _against(self, model: Evaluation, runs: list[str]) -> Compared:
        compared = self._leak(model.metrics, runs)
        if "reference" in self.experiment.config["evaluation"]["membership"]:
            attacks = {}
            for run in runs:
                retrained = self.baselines[run].rows
                attacks[run] = reference_attack(model.rows, retrained, PRIVLEAK)
            compared |= averaged(attacks, [REFERENCE])
        return compared

    def _leak(self, metrics: dict[str, float], runs: list[str]) -> Compared:
        auc = metrics["min_k_auc"]
        # One ratio for each retrained model, because the spread over these is reported too.
        leaks = {}
        for run in runs:
            leaks[run] = {"privleak": privleak(auc, self.baselines[run].metrics["min_k_auc"])}
        compared = averaged(leaks, ["privleak"])
        published = PUBLISHED_AUC.get(self.experiment.config["data"].get("corpus"))
        if published is not None:
            compared["privleak_published"] = privleak(auc, published)
        return compared


def lead(experiment) -> str:
    config = experiment.config
    corpus = config["data"].get("corpus") or config["data"].get("data_dir")
    data = f"MUSE {corpus}" if corpus else "generated news of the mini world"
    retrained = len(experiment.retrain_runs())
    return (
        f"{', '.join(experiment.methods)} on {data}. {models(config)}. Shared recipe: "
        f"{recipe(config['unlearn'])}. Every run is compared with {counted(retrained, 'model')} "
        "retrained without the forget set."
    )

"""What a report on TOFU reads: forget quality and membership against every retrained model."""

from numpy import array, asarray, exp, ndarray

from unlearning.analysis.quantities import GROWTH, Curves
from unlearning.benchmarks.tofu.forget_quality import check_same_rows, compare
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.strata import strata
from unlearning.benchmarks.tofu.weights import WeightReader, early
from unlearning.config.layout import UnlearnRun
from unlearning.errors import UserError
from unlearning.evaluation.membership import against_retrained
from unlearning.evaluation.records import metrics_in
from unlearning.methods.terms import Method
from unlearning.reporting.labels import SETS, counted
from unlearning.reporting.results import (
    Compared,
    Comparison,
    Evaluation,
    Reader,
    Results,
    answer_losses,
    averaged,
)
from unlearning.reporting.setup import models, recipe

COLLAPSED_UTILITY = 0.05
EACH = ("log10_forget_quality", "ks_statistic")  # beside one retrained model, too
FEWEST = 5  # points of a curve that can tell a line from a logarithm: both have two parameters


def read(experiment) -> Results:
    """All results; UserError if the target or the first retrained model is missing."""
    results = Reader(experiment, TofuComparison).read(METRICS)
    results.details |= {"lead": lead(experiment, results), "notes": notes(results)}
    return results


class TofuComparison(Comparison):
    """Comparisons are made with each retrained model and averaged: means of log10 p, of the KS
    statistic and of the shift, and p as 10 to the mean of its logarithm. A retrained model is
    compared with the first one; the first one with none.
    """

    def __init__(self, experiment, split: str, target: Evaluation, retrained: dict, details: dict):
        super().__init__(experiment, split, target, retrained, details)
        settings = experiment.config["evaluation"]
        self.formulas, self.attacks = settings["variant"], settings["membership"]
        forget = target.rows["forget"]
        # The same halves for every model of the split: those of the target's answers.
        self.strata, self.weights = strata(forget), WeightReader(experiment, forget)
        # A log of open-unlearning is compared by the ratios that it holds, as there.
        forget_sets = [model.rows["forget"] for model in retrained.values()]
        self.logged = any(open_unlearning.RATIOS in rows for rows in forget_sets)
        self.ratios = {run: self._ratio(model.rows) for run, model in retrained.items()}
        sizes = {name: len(rows) for name, rows in self.strata.items()}
        details.setdefault("strata", {})[split] = sizes
        # The comparisons of all splits and draws add to the same lists.
        for kind in ("weights", "losses", "divergence"):
            details.setdefault(kind, [])

    def model(self, model: Evaluation) -> Compared:
        """Forget quality and membership; UserError for other questions."""
        runs = list(self.baselines)
        ratios = self.details.setdefault("log_truth_ratios", {})
        pair = (self._ratio(model.rows), self.ratios[runs[0]])  # (rows,) each
        # Draws have different rows under the same name; section `limits` takes the first draw's.
        ratios.setdefault((self.split, model.run), pair)
        return self._against(model, runs)

    def retrained(self, model: Evaluation) -> Compared:
        """Of a further retrained model against the first: the noise floor."""
        main_run = next(iter(self.baselines))
        return {} if model.run == main_run else self._against(model, [main_run])

    def point(self, point: dict, name: str) -> Compared:
        """All metrics of a point of a trajectory; of forget quality it holds log x alone."""
        log_ratio = point["log_truth_ratio"][self.formulas]
        rows = len(next(iter(self.ratios.values())))
        # A trajectory holds no questions; their number is all there is to compare.
        if len(log_ratio) != rows:
            raise UserError(
                f"{name} holds {len(log_ratio)} forget rows, the retrained model {rows}: delete "
                "the file and run again"
            )
        ratio = asarray(log_ratio, dtype=float)
        # exp(-log x) is 1/x, in which the log's ratios are
        quality = self._quality(exp(-ratio) if self.logged else ratio, list(self.baselines))
        return quality | metrics_in(point, self.formulas)

    def unlearned(self, cell: UnlearnRun, record: dict, model: Evaluation) -> dict[str, float]:
        """Gradient weights and divergence of a run, where its loss and recipe have them."""
        course = self.weights.trajectory(cell, record, model.rows["forget"])
        if course:  # none of a loss without weights
            self.details["weights"].append(course)
        self.details["losses"].append((cell, record["losses"]))
        hyper = dict(cell.hyper)
        method = self.experiment.method(cell.method, hyper)
        # a variant may have a schedule of its own
        recipe = self.experiment.config["unlearn"] | self.experiment.variant_recipe(hyper)
        metrics = early(course)
        if shows_divergence(method, recipe):
            metrics |= self._divergence(cell, record, model.rows["forget"])
        return metrics

    def collapsed(self, metrics: dict[str, float]) -> bool:
        """A model without utility; a retrained model's log may lack its utility."""
        return metrics.get("model_utility", 1.0) < COLLAPSED_UTILITY

    def _against(self, model: Evaluation, runs: list[str]) -> Compared:
        membership = {}
        for run in runs:
            rows = self.baselines[run].rows
            check_same_rows(model.rows["forget"], rows["forget"], (model.run, run))
            membership[run] = against_retrained(model.rows, rows, self.attacks)
        return self._quality(self._ratio(model.rows), runs) | averaged(membership)

    def _ratio(self, sets: dict[str, dict]) -> ndarray:
        """(rows,) log x, or beside a log of open-unlearning's 1/x."""
        if self.logged:
            forget = sets["forget"]
            logged = forget.get(open_unlearning.RATIOS)
            return asarray(open_unlearning.truth_ratio(forget) if logged is None else logged)
        return log_truth_ratio(sets["forget"], self.formulas)

    def _quality(self, log_ratio: ndarray, runs: list[str]) -> Compared:
        """Forget quality of all rows, beside each retrained model too, and of each stratum, as
        forget_quality@name."""
        subsets = {"": slice(None), **self.strata}
        compared: Compared = {}
        for name, rows in subsets.items():
            tests = {}
            for run in runs:
                tests[run] = compare(log_ratio[rows], self.ratios[run][rows])
            # Values beside single retrained models are of all rows: variance needs no strata's.
            mean = averaged(tests, () if name else EACH)
            # A geometric mean, in place of one that the largest p-value would make alone.
            mean["forget_quality"] = 10 ** mean["log10_forget_quality"]
            if self.logged:
                del mean["truth_ratio_shift"]  # of log x, and these are 1/x
            if not name:
                compared |= mean
                continue
            # Of a stratum, METRICS has the test's numbers, but no shift and no number of rows.
            for metric, value in mean.items():
                if f"{metric}@{name}" in METRICS:
                    compared[f"{metric}@{name}"] = value
        return compared

    def _divergence(self, cell: UnlearnRun, record: dict, end: dict) -> dict[str, float]:
        """How far the forget set's log-probability fell, and the fits of the synthetic study; those
        without drift for a curve that collapsed too early, or ended above its start."""
        curves = divergence(self.target.rows["forget"], record, end)
        self.details["divergence"].append((cell, curves))
        drift = curves["drift"]
        metrics = {"divergence_drift": drift[-1]}
        # The exponent of growth is a slope of logarithms: the curve has to lie below its start.
        if len(drift) >= FEWEST and min(drift[1:]) > 0:
            for name, quantity in GROWTH.items():
                value = quantity.value(curves)
                if value is not None and name != "drift":
                    metrics[f"divergence_{name}"] = value
        return metrics


def shows_divergence(method: Method, unlearn: dict) -> bool:
    """Whether the runs of a method can tell: no retain term, evaluations on the way, and a constant
    learning rate, for a decaying one bends every curve. unlearn: the section of the config, with
    what the variant sets for itself.

    The NPO paper proves for a logistic model that gradient ascent diverges linearly in the number
    of steps and NPO logarithmically; this is the same look at a language model. Its runs take
    AdamW's steps, not those of gradient descent, which the theorem is about.
    """
    constant = unlearn["schedule"] == "constant" and unlearn["warmup_epochs"] == 0
    retains = method.retain is not None or "retain" in method.forget.roles  # one loss of both
    points = len(unlearn["trajectory"]) + 2  # with the start and the end
    return constant and not retains and points >= FEWEST


def divergence(start: dict, record: dict, end: dict) -> Curves:
    """step; log_probability, the mean over the forget rows of log p(y|x), summed over the answer's
    tokens, in nats; drift, by how much it has fallen.

    start, end: the forget rows of the target's evaluation and of the run's own.
    """
    tokens = array(start["answer_tokens"], dtype=float)  # (rows,)
    steps: list[float] = []
    values: list[float] = []
    for _, step, losses in answer_losses(record, start["answer_loss"], end["answer_loss"]):
        steps.append(step)
        # losses are means per token, and the theorem is about p(y|x) of the answer
        values.append(float((-array(losses) * tokens).mean()))
    drift = [values[0] - value for value in values]
    return {"step": steps, "log_probability": values, "drift": drift}


def lead(experiment, results: Results) -> str:
    """The experiment in words: variants, data, models, recipe."""
    config, cells = experiment.config, experiment.cells()
    variants, seeds = len({(c.method, c.variant) for c in cells}), len(config["unlearn"]["seeds"])
    retrained = len(experiment.retrain_runs())
    return (
        f"{counted(variants, 'variant')} of {counted(len(experiment.methods), 'unlearning method')}"
        f" ({', '.join(experiment.methods)}) on {', '.join(experiment.splits)} of "
        f"{data_source(config['data'])}, {counted(seeds, 'seed')} each. {models(config)}. Shared "
        f"recipe: {recipe(config['unlearn'])}. Every run is compared with "
        f"{counted(retrained, 'model')} retrained without the forget set."
    )


def notes(results: Results) -> list[str]:
    """How many rows of each set were evaluated."""
    splits = []
    for split, sizes in results.sizes.items():
        counts = [f"{SETS.get(name, name).lower()} {count}" for name, count in sizes.items()]
        splits.append(f"{split}: {', '.join(counts)}")
    return [f"Evaluated on {'; '.join(splits)}."]


def data_source(data: dict) -> str:
    if data["source"] == "mini":
        mini = data["mini"]
        return (
            f"the generated mini world ({mini['authors']} fictitious authors, "
            f"{mini['questions_per_author']} questions each)"
        )
    authors = data["retain_authors"]
    return "TOFU" if authors is None else f"TOFU with {authors} retain authors"

"""Published TOFU cells beside ours.

Only cells of this experiment's own base model and data, of the same split, recipe and evaluation
(Source.config), and of forget quality only with as many rows in the test. Where the source
states hyper-parameters, only the variants that have them; where it does not, every variant, and the
table says so. The forget quality of a published retrained model is that against itself, 1; ours is
the noise floor against another one: these two are not compared.
"""

from unlearning.benchmarks.tofu.reporting.published import Model, Published
from unlearning.benchmarks.tofu.reporting.results import Evaluated, Results
from unlearning.config.experiment import Experiment
from unlearning.reporting.comparison import Compared, half_unit, same_hyperparameters
from unlearning.reporting.labels import RETRAIN
from unlearning.reporting.made_with import made_alike

_METRICS = {"forget_quality": "fq", "model_utility": "mu", "forget_truth_ratio": "truth_ratio"}
_DIGITS = 2  # decimals of numbers that are printed as such


def compared(results: Results, models: list[Model]) -> list[Compared]:
    """Every published cell of this experiment's own model that we have a value for."""
    rows = [row for model in models if model.same for row in model.rows]
    return [
        cell
        for split in results.splits
        for row in rows
        if row.split == split.split
        for seeds in _ours(row, split.models, results.experiment)
        for cell in _cells(row, seeds)
    ]


def _ours(row: Published, models: list[Evaluated], experiment: Experiment) -> list[list[Evaluated]]:
    """The seeds of each variant that a published row speaks of."""
    variants: dict[str, list[Evaluated]] = {}
    for model in models:
        hyper = dict(model.hyper)
        if (
            model.method == row.method
            and made_alike(row.source.config, row.method, hyper, experiment.config)
            and same_hyperparameters(dict(row.hyper), row.method, hyper, experiment)
        ):
            variants.setdefault(model.label, []).append(model)
    return [*variants.values()]


def _cells(row: Published, seeds: list[Evaluated]) -> list[Compared]:
    cells = []
    texts = {"fq": row.fq_text, "mu": row.mu_text, "truth_ratio": row.truth_ratio_text}
    for metric, published in _METRICS.items():
        value = getattr(row, published)
        ours = [model.metrics[metric] for model in seeds if metric in model.metrics]
        floor = metric == "forget_quality" and row.method == RETRAIN
        if metric == "forget_quality" and row.n is not None:
            counts = {model.metrics.get("forget_quality_rows") for model in seeds}
            floor |= counts != {row.n}  # p-values of other numbers of rows are no match
        if value is not None and ours and not floor:
            own = (seeds[0].split, seeds[0].label, metric, value, texts[published])
            half = half_unit(value, _DIGITS)
            cells.append(Compared(*own, half, row.source, bool(row.hyper), ours))
    return cells

"""The metrics of a report on TOFU, computed from the rows of an evaluation. No torch."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from unlearning.benchmarks.tofu import formulas, strata
from unlearning.benchmarks.tofu.formulas import OFFICIAL, SETS, UTILITY_SETS, VARIANTS
from unlearning.evaluation.membership import membership_metrics
from unlearning.evaluation.metrics import (
    PRIVLEAK,
    Metric,
    fluency,
    membership,
    memorization,
    per_set,
    relative,
)
from unlearning.evaluation.summary import Summary, set_metrics

_TOFU = "TOFU, arXiv 2401.06121 §2.2; locuslab/tofu aggregate_eval_stat.py"
_SIMNPO_PAPER = "SimNPO, arXiv 2410.07163"
_SIMNPO = f"{_SIMNPO_PAPER}, TOFU table"
SET_TITLES = {name: name.replace("_", " ").capitalize() for name in SETS}
SET_GROUPS = SET_TITLES | {"retain": "Retain set", "forget": "Forget set"}
_MEASURES = {"rouge": "ROUGE-L", "probability": "probability", "truth_ratio": "truth ratio"}
_SHORT = {"rouge": "ROUGE-L", "probability": "prob.", "truth_ratio": "TR"}


def _utility(name: str, title: str) -> dict[str, Metric]:
    """The parts of model utility that a set contributes."""
    metrics = {}
    for key, measure in _MEASURES.items():
        metrics[f"{name}_{key}"] = Metric(
            f"{title} {measure}", "higher", _TOFU, short=_SHORT[key], group=SET_GROUPS[name]
        )
    return metrics


_QUALITY = {
    "forget_quality": Metric("Forget quality", "higher", _TOFU, short="FQ", group="Forget quality"),
    "log10_forget_quality": Metric(
        "log10 FQ",
        "higher",
        _TOFU,
        (-math.inf, 0.0),
        short="log₁₀ FQ",
        group="Forget quality",
        unit="orders of magnitude",
    ),
    "ks_statistic": Metric("KS statistic", "lower", _TOFU, short="KS", group="Forget quality"),
}


def _stratum(name: str, title: str) -> dict[str, Metric]:
    """Forget quality of a half of the forget set; see benchmarks/tofu/strata.py."""
    metrics = {}
    for key, metric in _QUALITY.items():
        metrics[f"{key}@{name}"] = replace(
            metric,
            title=f"{metric.title}, {title}",
            source=f"{_SIMNPO_PAPER} §4; {_TOFU}",
            group=title.capitalize(),
        )
    return metrics


def _weights() -> dict[str, Metric]:
    """Gradient weights after the first evaluated epoch; see benchmarks/tofu/gradient_weights.py."""
    source = f"{_SIMNPO_PAPER} §4 and §5; benchmarks/tofu/gradient_weights.py"
    rows = (
        ("", "", (0.0, 2.0)),  # 2 σ(…), at most 2
        ("_spread", ", spread over rows", (0.0, math.inf)),
        ("_length_correlation", ", rank correlation with length", (-1.0, 1.0)),
        ("_memorisation_correlation", ", rank correlation with memorisation", (-1.0, 1.0)),
    )
    metrics = {}
    for key, phrase, limits in rows:
        metrics[f"early_weight{key}"] = Metric(f"Early gradient weight{phrase}", "", source, limits)
    return metrics


def _divergence() -> dict[str, Metric]:
    """Divergence of runs with a constant learning rate and no retain term; see results.py."""
    source = "NPO, arXiv 2404.05868, theorem on divergence speed; benchmarks/tofu/results.py"
    unbounded, at_most_1 = (-math.inf, math.inf), (-math.inf, 1.0)  # R² of a bad fit is negative
    rows = (
        ("drift", "Fall of the forget set's log-probability", unbounded),
        ("linear_r2", "Fall of log-probability, R² of a line", at_most_1),
        ("log_r2", "Fall of log-probability, R² of a logarithm", at_most_1),
        ("log_gain", "Fall of log-probability, gain of the logarithm", unbounded),
        ("late_exponent", "Fall of log-probability, late exponent", unbounded),
    )
    return {f"divergence_{key}": Metric(title, "", source, limits) for key, title, limits in rows}


PARAPHRASED = ("forget", "retain")  # sets whose rows have paraphrases of the answer


def _forget(title: str, better: str, source: str, short: str) -> Metric:
    """A metric of the forget set."""
    return Metric(title, better, source, short=short, group=SET_GROUPS["forget"])


def _truth_share(name: str, title: str) -> dict[str, Metric]:
    """The truth ratio of a set as a probability; below 0.5 the falsehoods are likelier."""
    metric = Metric(
        f"{title} probability of the truth against falsehoods",
        "" if name == "forget" else "higher",
        "open-unlearning, src/evals/metrics/memorization.py, prob_mean",
        short="truth share",
        group=SET_GROUPS[name],
    )
    return {f"{name}_truth_share": metric}


def _other_answers(name: str, title: str) -> dict[str, Metric]:
    """How likely paraphrased and perturbed answers are, and how similar to the generated one.

    Only forget and retain rows have paraphrases.
    """
    source = "open-unlearning, configs/eval/tofu_metrics"
    # key, words of the title, and the name of open-unlearning's file
    measures = (("probability", "probability of", "Prob"), ("rouge", "ROUGE-L against", "ROUGE"))
    better = "lower" if name == "forget" else "higher"
    kinds = [("paraphrase", "the paraphrase", better, "PARA")] if name in PARAPHRASED else []
    # A falsehood's likelihood is good or bad only beside the truth's.
    kinds.append(("perturbed", "perturbed answers", "", "PERT"))
    metrics = {}
    for (key, phrase, file), (kind, words, direction, prefix) in product(measures, kinds):
        metrics[f"{name}_{kind}_{key}"] = Metric(
            f"{title} {phrase} {words}",
            direction,
            f"{source}/*_{prefix}_{file}.yaml",
            short=f"{_SHORT[key]}, {kind}",
            group=SET_GROUPS[name],
        )
    return metrics


_ABSOLUTE: dict[str, Metric] = {
    **_QUALITY,
    "truth_ratio_shift": Metric(
        "Shift of the median log truth ratio",
        "zero",
        "effect size beside FQ: median of log x less that of the retrained models; " + _TOFU,
        (-math.inf, math.inf),
        short="shift",
        group="Forget quality",
        unit="nats",
    ),
    "forget_quality_rows": Metric(
        "Rows of the FQ test", "", "n on each side of the Kolmogorov–Smirnov test", (1.0, math.inf)
    ),
    "model_utility": Metric("Model utility", "higher", _TOFU, short="MU"),
    **per_set(_utility, {name: SET_TITLES[name] for name in UTILITY_SETS}),
    "forget_rouge": _forget("Forget ROUGE-L", "lower", _TOFU, "ROUGE-L"),
    "forget_probability": _forget("Forget probability", "lower", _TOFU, "prob."),
    "forget_truth_ratio": _forget("Forget truth ratio", "higher", _TOFU, "TR"),
    "forget_truth_ratio_median": _forget(
        "Median forget truth ratio",
        "higher",
        "median over rows instead of the mean; " + _TOFU,
        "TR med.",
    ),
    "forget_one_minus_rouge": _forget("1 - forget ROUGE-L", "higher", _SIMNPO, "1−ROUGE-L"),
    "forget_one_minus_probability": _forget("1 - forget probability", "higher", _SIMNPO, "1−prob."),
    "forget_one_minus_extraction_strength": _forget(
        "1 - forget extraction strength", "higher", _SIMNPO, "1−ES"
    ),
    **per_set(memorization, SET_TITLES),
    **membership(),
    "privleak": PRIVLEAK,
    **per_set(fluency, SET_TITLES),
    **per_set(_stratum, strata.TITLES),
    **_weights(),
    **_divergence(),
    **per_set(_truth_share, SET_TITLES),
    **per_set(_other_answers, SET_TITLES),
}
# A new dictionary: a statement that changes one would be code of every module that imports it.
METRICS = _ABSOLUTE | relative(_ABSOLUTE)

# Metrics that compare two models.
COMPARED = {*_QUALITY, "truth_ratio_shift", "privleak", "mia_reference_auc", *relative(METRICS)}
# study of a claim -> its metrics; None: a claim that names no study
ATTACK_METRICS = {
    "relearning_log10_drop": Metric(
        "log₁₀ FQ lost to relearning",
        "lower",
        f"{_SIMNPO_PAPER} §6",
        (-400.0, 400.0),
        of_attack=True,
        unit="orders of magnitude",
    )
}
STUDIES = {None: METRICS | ATTACK_METRICS}
# SimNPO's table (arXiv 2410.07163) counts forgetting as 1 - memorisation of the forget set
ONE_MINUS = ("rouge", "probability", "extraction_strength")


def summarise(rows: dict[str, dict], variant: str = OFFICIAL) -> dict[str, float]:
    """The metrics that need no second evaluation, of the sets and columns in `rows`."""
    metrics = formulas.summarise(rows, variant)
    for name in SETS:
        metrics |= set_metrics(name, rows.get(name, {}))
    return metrics | one_minus(metrics) | membership_metrics(rows)


def one_minus(metrics: dict[str, float]) -> dict[str, float]:
    """SimNPO's forms of those of the forget set's metrics that there are."""
    forms = {}
    for key in ONE_MINUS:
        if f"forget_{key}" in metrics:
            forms[f"forget_one_minus_{key}"] = 1 - metrics[f"forget_{key}"]
    return forms


def summary(rows: dict[str, dict]) -> Summary:
    """Official metrics, and for each other variant of the formulas the metrics that differ.

    Because all variants are stored, another choice of variant reruns the report alone.
    """
    official = summarise(rows)
    return Summary(official, differing_metrics(rows, official, VARIANTS[1:]))


def differing_metrics(
    rows: dict[str, dict], official: dict[str, float], variants: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Variant of the formulas -> its metrics that differ from the official ones."""
    differing = {}
    for variant in variants:
        metrics = formulas.summarise(rows, variant)  # fluency and others have no variants
        metrics |= one_minus(metrics)
        differing[variant] = {k: value for k, value in metrics.items() if value != official[k]}
    return differing


def at_point(rows: dict[str, dict]) -> dict:
    """The values that a trajectory needs besides metrics: those of forget rows that forget quality
    and gradient weights are computed from."""
    forget = rows["forget"]
    # of each variant: which of them a report shows is its choice
    ratios = {v: formulas.log_truth_ratio(forget, v).tolist() for v in VARIANTS}
    return {"log_truth_ratio": ratios, "answer_loss": forget["answer_loss"]}

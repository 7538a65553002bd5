"""TOFU's reported numbers, and how they follow from an evaluation's rows. No torch."""

import math

from unlearning.benchmarks.tofu import formulas, strata
from unlearning.benchmarks.tofu.formulas import OFFICIAL, SETS, UTILITY_SETS, VARIANTS
from unlearning.evaluation.membership import membership_metrics
from unlearning.evaluation.metrics import (
    PRIVLEAK,
    Metric,
    fluency,
    membership,
    memorization,
    relative,
)
from unlearning.evaluation.summary import Summary, set_metrics

_TOFU = "TOFU, arXiv 2401.06121 §2.2; locuslab/tofu aggregate_eval_stat.py"
_SIMNPO_PAPER = "SimNPO, arXiv 2410.07163"
_SIMNPO = f"{_SIMNPO_PAPER}, TOFU table"
SET_TITLES = {
    "retain": "Retain",
    "real_authors": "Real authors",
    "world_facts": "World facts",
    "forget": "Forget",
}
SET_GROUPS = {name: f"{title} set" for name, title in SET_TITLES.items()} | {
    "real_authors": "Real authors",
    "world_facts": "World facts",
}
_MEASURES = {"rouge": "ROUGE-L", "probability": "probability", "truth_ratio": "truth ratio"}
_SHORT = {"rouge": "ROUGE-L", "probability": "prob.", "truth_ratio": "TR"}


def _utility() -> dict[str, Metric]:
    return {
        f"{name}_{key}": Metric(
            f"{SET_TITLES[name]} {measure}",
            "higher",
            _TOFU,
            short=_SHORT[key],
            group=SET_GROUPS[name],
        )
        for name in UTILITY_SETS
        for key, measure in _MEASURES.items()
    }


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


def _strata() -> dict[str, Metric]:
    """Forget quality of halves of the forget set; see benchmarks/tofu/strata.py."""
    return {
        f"{key}@{name}": Metric(
            f"{metric.title}, {title}",
            metric.better,
            f"{_SIMNPO_PAPER} §4; {_TOFU}",
            metric.range,
            short=metric.short,
            group=title.capitalize(),
            unit=metric.unit,
        )
        for name, title in strata.TITLES.items()
        for key, metric in _QUALITY.items()
    }


def _weights() -> dict[str, Metric]:
    """Gradient weights after the first evaluated epoch; see benchmarks/tofu/gradient_weights.py."""
    source = f"{_SIMNPO_PAPER} §4 and §5; benchmarks/tofu/gradient_weights.py"
    titles = {
        "weight": ("Early gradient weight", (0.0, 2.0)),
        "weight_spread": ("Early gradient weight, spread over rows", (0.0, math.inf)),
        "weight_length_correlation": (
            "Early gradient weight, rank correlation with length",
            (-1.0, 1.0),
        ),
        "weight_memorisation_correlation": (
            "Early gradient weight, rank correlation with memorisation",
            (-1.0, 1.0),
        ),
    }
    return {f"early_{key}": Metric(title, "", source, r) for key, (title, r) in titles.items()}


def _divergence() -> dict[str, Metric]:
    """Of runs without a retain term at a constant learning rate; see report/divergence.py."""
    source = "NPO, arXiv 2404.05868, theorem on divergence speed; report/divergence.py"
    anything = (-math.inf, math.inf)
    titles = {
        "drift": ("Fall of the forget set's log-probability", anything),
        "linear_r2": ("Fall of log-probability, R² of a line", (-math.inf, 1.0)),
        "log_r2": ("Fall of log-probability, R² of a logarithm", (-math.inf, 1.0)),
        "log_gain": ("Fall of log-probability, gain of the logarithm", anything),
        "late_exponent": ("Fall of log-probability, late exponent", anything),
    }
    return {f"divergence_{key}": Metric(title, "", source, r) for key, (title, r) in titles.items()}


def _of_forget(title: str, better: str, source: str, short: str) -> Metric:
    return Metric(title, better, source, short=short, group=SET_GROUPS["forget"])


def _truth_shares() -> dict[str, Metric]:
    """The truth ratio as a probability; below 0.5 the falsehoods are the likelier ones."""
    source = "open-unlearning, src/evals/metrics/memorization.py, prob_mean"
    return {
        f"{name}_truth_share": Metric(
            f"{title} probability of the truth against falsehoods",
            "" if name == "forget" else "higher",
            source,
            short="truth share",
            group=SET_GROUPS[name],
        )
        for name, title in SET_TITLES.items()
    }


def _other_answers() -> dict[str, Metric]:
    """Of other answers than the true one: how likely they are, and how near the model's own comes.
    Only rows with paraphrases have numbers of these."""
    source = "open-unlearning, configs/eval/tofu_metrics"
    measures = {"probability": ("probability of", "Prob"), "rouge": ("ROUGE-L against", "ROUGE")}
    metrics = {}
    for name, title in SET_TITLES.items():
        better = "lower" if name == "forget" else "higher"
        for key, (words, file) in measures.items():
            group, short = SET_GROUPS[name], _SHORT[key]
            if name in ("forget", "retain"):
                metrics[f"{name}_paraphrase_{key}"] = Metric(
                    f"{title} {words} the paraphrase",
                    better,
                    f"{source}/*_PARA_{file}.yaml",
                    short=f"{short}, paraphrase",
                    group=group,
                )
            metrics[f"{name}_perturbed_{key}"] = Metric(
                f"{title} {words} perturbed answers",
                "",
                f"{source}/*_PERT_{file}.yaml",
                short=f"{short}, perturbed",
                group=group,
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
    **_utility(),
    "forget_rouge": _of_forget("Forget ROUGE-L", "lower", _TOFU, "ROUGE-L"),
    "forget_probability": _of_forget("Forget probability", "lower", _TOFU, "prob."),
    "forget_truth_ratio": _of_forget("Forget truth ratio", "higher", _TOFU, "TR"),
    "forget_truth_ratio_median": _of_forget(
        "Median forget truth ratio",
        "higher",
        "median over rows instead of the mean; " + _TOFU,
        "TR med.",
    ),
    "forget_one_minus_rouge": _of_forget("1 - forget ROUGE-L", "higher", _SIMNPO, "1−ROUGE-L"),
    "forget_one_minus_probability": _of_forget(
        "1 - forget probability", "higher", _SIMNPO, "1−prob."
    ),
    "forget_one_minus_extraction_strength": _of_forget(
        "1 - forget extraction strength", "higher", _SIMNPO, "1−ES"
    ),
    **{
        key: metric for name in SETS for key, metric in memorization(name, SET_TITLES[name]).items()
    },
    **membership(),
    "privleak": PRIVLEAK,
    **{key: metric for name in SETS for key, metric in fluency(name, SET_TITLES[name]).items()},
    **_strata(),
    **_weights(),
    **_divergence(),
    **_truth_shares(),
    **_other_answers(),
}
METRICS = _ABSOLUTE | relative(_ABSOLUTE)  # not changed in place: that is code of every importer

# of two models
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
    """Every metric that needs no second evaluation, of the sets and columns that are there."""
    metrics = formulas.summarise(rows, variant)
    for name in SETS:
        metrics |= set_metrics(name, rows.get(name, {}))
    for key in ONE_MINUS:
        if f"forget_{key}" in metrics:
            metrics[f"forget_one_minus_{key}"] = 1 - metrics[f"forget_{key}"]
    return metrics | membership_metrics(rows)


def summary(rows: dict[str, dict]) -> Summary:
    """Official metrics, and by the name of each other variant those that differ in it.

    So the choice of a variant is the report's, and reruns nothing else.
    """
    official, variants = summarise(rows), {}
    for variant in VARIANTS[1:]:
        metrics = summarise(rows, variant)
        variants[variant] = {k: value for k, value in metrics.items() if value != official[k]}
    return Summary(official, variants)


def at_point(rows: dict[str, dict]) -> dict:
    """Of the forget rows, what forget quality and gradient weights are computed from."""
    forget = rows["forget"]
    ratios = {v: formulas.log_truth_ratio(forget, v).tolist() for v in VARIANTS}
    return {"log_truth_ratio": ratios, "answer_loss": forget["answer_loss"]}

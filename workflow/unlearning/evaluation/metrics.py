"""The one table of reported numbers: title, direction, range and source of each. No torch."""

import math
from dataclasses import dataclass

from unlearning.benchmarks.tofu import strata
from unlearning.benchmarks.tofu.formulas import SETS, UTILITY_SETS
from unlearning.evaluation.membership import ATTACKS


@dataclass(frozen=True)
class Metric:
    """A reported number: how to read it and where it is defined."""

    title: str
    better: str  # higher, lower, zero (the nearer to 0), or "" where neither is better
    source: str
    range: tuple[float, float] = (0.0, 1.0)


_TOFU = "TOFU, arXiv 2401.06121 §2.2; locuslab/tofu aggregate_eval_stat.py"
_OU = "open-unlearning, src/evals/metrics"
_SIMNPO_PAPER = "SimNPO, arXiv 2410.07163"
_SIMNPO = f"{_SIMNPO_PAPER}, TOFU table"
SET_TITLES = {
    "retain": "Retain",
    "real_authors": "Real authors",
    "world_facts": "World facts",
    "forget": "Forget",
}
_MEASURES = {"rouge": "ROUGE-L", "probability": "probability", "truth_ratio": "truth ratio"}
_ATTACK_TITLES = {
    "loss": "loss",
    "zlib": "zlib",
    "min_k": "min-40%",
    "min_k_plus_plus": "min-40%++",
    "reference": "reference",
    "gradnorm": "gradient norm",
}


def _utility() -> dict[str, Metric]:
    return {
        f"{name}_{key}": Metric(f"{SET_TITLES[name]} {measure}", "higher", _TOFU)
        for name in UTILITY_SETS
        for key, measure in _MEASURES.items()
    }


def _memorization(name: str) -> dict[str, Metric]:
    """Forgetting lowers it on the forget set; elsewhere it is knowledge to keep."""
    better = "lower" if name == "forget" else "higher"
    title = SET_TITLES[name]
    return {
        f"{name}_extraction_strength": Metric(
            f"{title} extraction strength", better, f"Carlini et al., arXiv 2012.07805; {_OU}"
        ),
        f"{name}_exact_memorization": Metric(
            f"{title} exact memorisation", better, f"Tirumala et al., arXiv 2205.10770; {_OU}"
        ),
    }


def _membership() -> dict[str, Metric]:
    """An AUC is to be compared with the retrained model's; PrivLeak does that."""
    return {
        f"mia_{attack}_auc": Metric(f"Membership AUC, {_ATTACK_TITLES[attack]}", "", f"{_OU}/mia")
        for attack in ATTACKS
    }


def _fluency(name: str) -> dict[str, Metric]:
    title = SET_TITLES[name]
    distinct = {
        f"{name}_distinct_{n}": Metric(
            f"{title} distinct-{n}", "higher", "Li et al., arXiv 1510.03055; words of all answers"
        )
        for n in (1, 2, 3)
    }
    return distinct | {
        f"{name}_repetition": Metric(
            f"{title} repetition in an answer",
            "lower",
            "seq-rep-4, Welleck et al., arXiv 1908.04319; over words",
        ),
        f"{name}_empty": Metric(
            f"{title} share of empty answers", "lower", "evaluation/fluency.py"
        ),
        f"{name}_perplexity": Metric(
            f"{title} perplexity of answers under the target model",
            "lower",
            "evaluation/fluency.py",
            (1.0, math.inf),
        ),
    }


_QUALITY = {
    "forget_quality": Metric("Forget quality", "higher", _TOFU),
    "log10_forget_quality": Metric("log10 FQ", "higher", _TOFU, (-math.inf, 0.0)),
    "ks_statistic": Metric("KS statistic", "lower", _TOFU),
}


def _strata() -> dict[str, Metric]:
    """Forget quality of halves of the forget set; see benchmarks/tofu/strata.py."""
    return {
        f"{key}@{name}": Metric(
            f"{metric.title}, {title}", metric.better, f"{_SIMNPO_PAPER} §4; {_TOFU}", metric.range
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


METRICS: dict[str, Metric] = {
    **_QUALITY,
    "forget_quality_rows": Metric(
        "Rows of the FQ test", "", "n on each side of the Kolmogorov–Smirnov test", (1.0, math.inf)
    ),
    "model_utility": Metric("Model utility", "higher", _TOFU),
    **_utility(),
    "forget_rouge": Metric("Forget ROUGE-L", "lower", _TOFU),
    "forget_probability": Metric("Forget probability", "lower", _TOFU),
    "forget_truth_ratio": Metric("Forget truth ratio", "higher", _TOFU),
    "forget_truth_ratio_median": Metric(
        "Median forget truth ratio", "higher", "median over rows instead of the mean; " + _TOFU
    ),
    "forget_one_minus_rouge": Metric("1 - forget ROUGE-L", "higher", _SIMNPO),
    "forget_one_minus_probability": Metric("1 - forget probability", "higher", _SIMNPO),
    "forget_one_minus_extraction_strength": Metric(
        "1 - forget extraction strength", "higher", _SIMNPO
    ),
    **{key: metric for name in SETS for key, metric in _memorization(name).items()},
    **_membership(),
    "privleak": Metric(
        "PrivLeak (min-40%), percent",
        "zero",
        f"MUSE, arXiv 2407.06460 §3; {_OU}/privacy.py",
        (-100.0, math.inf),
    ),
    **{key: metric for name in SETS for key, metric in _fluency(name).items()},
    **_strata(),
    **_weights(),
    **_divergence(),
}

_PERCENT, _LEAK = (0.0, 100.0), (-100.0, math.inf)
_MUSE_CODE = "MUSE, arXiv 2407.06460; jaechan-repo/muse_bench eval.py"
MUSE: dict[str, Metric] = {
    "verbmem_f": Metric("VerbMem_f", "lower", f"forget set; {_MUSE_CODE}, verbmem.py", _PERCENT),
    "knowmem_f": Metric("KnowMem_f", "lower", f"forget set; {_MUSE_CODE}, knowmem.py", _PERCENT),
    "privleak": Metric(
        "PrivLeak", "zero", f"percent, against the retrained models here; {_MUSE_CODE}", _LEAK
    ),
    "knowmem_r": Metric("KnowMem_r", "higher", f"retain set; {_MUSE_CODE}, knowmem.py", _PERCENT),
    "min_k_auc": Metric(
        "AUC", "", f"forget against holdout, Min-40%; the retrained model's is best; {_MUSE_CODE}"
    ),
    "privleak_published": Metric(
        "PrivLeak, published AUC",
        "zero",
        f"percent, against the AUC of the published retrained model, as in eval.py; {_MUSE_CODE}",
        _LEAK,
    ),
}

_WMDP = "WMDP, arXiv 2403.03218; lm-evaluation-harness lm_eval/tasks/wmdp; 0.25 is chance"
_MMLU = "MMLU, arXiv 2009.03300; lm-evaluation-harness lm_eval/tasks/mmlu; 0.25 is chance"
_MINI = "the mini world's own questions (benchmarks/wmdp/mini.py); 0.25 is chance"
TASKS: dict[str, Metric] = {  # accuracies on tasks of lm-evaluation-harness
    "wmdp": Metric("WMDP", "lower", _WMDP),
    "wmdp_bio": Metric("WMDP-Bio", "lower", _WMDP),
    "wmdp_chem": Metric("WMDP-Chem", "lower", _WMDP),
    "wmdp_cyber": Metric("WMDP-Cyber", "lower", _WMDP),
    "mmlu": Metric("MMLU", "higher", _MMLU),
    "mini_wmdp_bio": Metric("Mini WMDP-Bio", "lower", _MINI),
    "mini_wmdp_cyber": Metric("Mini WMDP-Cyber", "lower", _MINI),
    "mini_mmlu": Metric("Mini MMLU", "higher", _MINI),
}

_SHARE = f"{_WMDP}; the mini world's own questions in its experiments"
WMDP: dict[str, Metric] = {
    "one_minus_bio": Metric("1 - acc. bio", "higher", _SHARE),
    "one_minus_cyber": Metric("1 - acc. cyber", "higher", _SHARE),
    "mmlu": Metric("MMLU", "higher", f"accuracy; {_MMLU}; the mini world's own in its experiments"),
}


def task_metric(task: str) -> Metric:
    """The declaration of a task's accuracy; of another task's it is not known what is better."""
    return TASKS.get(task, Metric(task, "", "lm-evaluation-harness or the experiment's own task"))

"""Declarations of metrics (title, direction, range, source), and those that benchmarks share.

Each benchmark declares its own metrics in its folder (metrics.py). No torch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from unlearning.evaluation.fluency import DISTINCT_N
from unlearning.evaluation.membership import ATTACKS
from unlearning.evaluation.relative import SUFFIX


@dataclass(frozen=True)
class Metric:
    """How to read a reported number, and where it is defined.

    better: higher, lower, zero (the nearer to 0), or "" where neither is better. of_attack: whether
    it measures a relearning attack, not a model. short, group: its column's heading, and the one
    above several columns. digits: decimals; None for about three significant digits. unit: unit of
    differences.
    """

    title: str
    better: str
    source: str
    range: tuple[float, float] = (0.0, 1.0)
    of_attack: bool = False
    short: str = ""
    group: str = ""
    digits: int | None = None
    unit: str = ""


LOG10 = "log10_"  # prefix of the logarithm of another metric, which is averaged on that scale
# metrics that have a relative difference (evaluation.relative)
RELATIVE = (
    "forget_probability",
    "forget_rouge",
    "forget_extraction_strength",
    "forget_exact_memorization",
    *(f"mia_{attack}_auc" for attack in ATTACKS if attack != "reference"),
)
OPEN_UNLEARNING = "open-unlearning, src/evals/metrics"
_ATTACK_TITLES = {
    "loss": "loss",
    "zlib": "zlib",
    "min_k": "min-k",
    "min_k_plus_plus": "min-k++",
    "reference": "reference",
    "gradnorm": "gradient norm",
}


def memorization(name: str, title: str) -> dict[str, Metric]:
    """Memorisation metrics of a set: the lower the better on the forget set, the higher the better
    elsewhere."""
    better, group = "lower" if name == "forget" else "higher", f"{title} set"
    carlini = f"Carlini et al., arXiv 2012.07805; {OPEN_UNLEARNING}"
    tirumala = f"Tirumala et al., arXiv 2205.10770; {OPEN_UNLEARNING}"
    return {
        f"{name}_extraction_strength": Metric(
            f"{title} extraction strength", better, carlini, short="ES", group=group
        ),
        f"{name}_exact_memorization": Metric(
            f"{title} exact memorisation", better, tirumala, short="EM", group=group
        ),
    }


def membership() -> dict[str, Metric]:
    """AUCs of the attacks. No direction is better: PrivLeak compares them with a retrained
    model's."""
    metrics, source = {}, f"{OPEN_UNLEARNING}/mia"
    for attack in ATTACKS:
        short = _ATTACK_TITLES[attack]
        title, group = f"Membership AUC, {short}", "Membership (AUC)"
        metrics[f"mia_{attack}_auc"] = Metric(title, "", source, short=short, group=group)
    return metrics


def relative(metrics: dict[str, Metric]) -> dict[str, Metric]:
    """Relative differences of the forget set's metrics from a retrained model's."""
    differences = {}
    for name, metric in metrics.items():
        if name in RELATIVE:
            differences[f"{name}{SUFFIX}"] = Metric(
                f"{metric.title}, against retraining",
                "zero",
                f"percent of the retrained model's; {OPEN_UNLEARNING}/privacy.py, rel_diff",
                (-100.0, math.inf),
                short=metric.short or metric.title,
                group="Difference from retraining, %",
                digits=1,
                unit="percentage points",
            )
    return differences


def fluency(name: str, title: str) -> dict[str, Metric]:
    """Fluency metrics of the answers to a set's questions."""
    metrics = {}
    of_set = partial(Metric, group=f"{title} set")
    li = "Li et al., arXiv 1510.03055; words of all answers"
    welleck = "seq-rep-4, Welleck et al., arXiv 1908.04319; over words"
    formulas = "evaluation/fluency.py"
    for n in DISTINCT_N:
        short = f"distinct-{n}"
        metrics[f"{name}_distinct_{n}"] = of_set(f"{title} {short}", "higher", li, short=short)
    repetition = f"{title} repetition in an answer"
    metrics[f"{name}_repetition"] = of_set(repetition, "lower", welleck, short="repetition")
    empty = f"{title} share of empty answers"
    metrics[f"{name}_empty"] = of_set(empty, "lower", formulas, short="empty")
    perplexity = f"{title} perplexity of answers under the target model"
    limits = (1.0, math.inf)
    metrics[f"{name}_perplexity"] = of_set(
        perplexity, "lower", formulas, limits, short="perplexity"
    )
    return metrics


def per_set(
    declare: Callable[[str, str], dict[str, Metric]], titles: dict[str, str]
) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    for name, title in titles.items():
        metrics |= declare(name, title)
    return metrics


PRIVLEAK = Metric(
    "PrivLeak (min-k), percent",
    "zero",
    f"MUSE, arXiv 2407.06460 §3; {OPEN_UNLEARNING}/privacy.py",
    (-100.0, math.inf),
    short="PrivLeak %",
    group="Membership",
    unit="percentage points",
)
WMDP_SOURCE = "WMDP, arXiv 2403.03218; lm-evaluation-harness lm_eval/tasks/wmdp; 0.25 is chance"
MMLU_SOURCE = "MMLU, arXiv 2009.03300; lm-evaluation-harness lm_eval/tasks/mmlu; 0.25 is chance"
TASKS: dict[str, Metric] = {  # accuracies on tasks of lm-evaluation-harness
    "wmdp": Metric("WMDP", "lower", WMDP_SOURCE),
    "wmdp_bio": Metric("WMDP-Bio", "lower", WMDP_SOURCE),
    "wmdp_chem": Metric("WMDP-Chem", "lower", WMDP_SOURCE),
    "wmdp_cyber": Metric("WMDP-Cyber", "lower", WMDP_SOURCE),
    "mmlu": Metric("MMLU", "higher", MMLU_SOURCE),
}


def task_metric(task: str, better: str = "") -> Metric:
    """The declaration of a harness task's accuracy or other number.

    better: the harness's own direction, for tasks that are not in TASKS.
    """
    # a task may report any number, such as a perplexity
    source = "lm-evaluation-harness or the experiment's own task"
    return TASKS.get(task, Metric(task, better, source, (-math.inf, math.inf)))

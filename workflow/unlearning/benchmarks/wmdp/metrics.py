"""The metrics of a report on WMDP. No torch."""

from unlearning.evaluation.metrics import MMLU_SOURCE, TASKS, WMDP_SOURCE, Metric

_MINI = "the mini world's own questions (mini.py); 0.25 is chance"
MINI_TASKS = {
    "mini_wmdp_bio": Metric("Mini WMDP-Bio", "lower", _MINI),
    "mini_wmdp_cyber": Metric("Mini WMDP-Cyber", "lower", _MINI),
    "mini_mmlu": Metric("Mini MMLU", "higher", _MINI),
}
TITLES = {task: metric.title for task, metric in (TASKS | MINI_TASKS).items()}
_SHARE = f"{WMDP_SOURCE}; the mini world's own questions in its experiments"
METRICS: dict[str, Metric] = {
    "one_minus_bio": Metric("1 - acc. bio", "higher", _SHARE, digits=3),
    "one_minus_cyber": Metric("1 - acc. cyber", "higher", _SHARE, digits=3),
    "mmlu": Metric(
        "MMLU",
        "higher",
        f"accuracy; {MMLU_SOURCE}; the mini world's own in its experiments",
        digits=3,
    ),
}

STUDIES = {"wmdp": METRICS}

"""The metrics of a report on MUSE, computed from the rows of an evaluation. No torch."""

import math

from unlearning.benchmarks.muse.formulas import summarise
from unlearning.evaluation.metrics import Metric, membership, memorization
from unlearning.evaluation.summary import Summary

_PERCENT = (0.0, 100.0)
_LEAK = (-100.0, math.inf)  # inf: where the retrained model's AUC is near 0
_MUSE_CODE = "MUSE, arXiv 2407.06460; jaechan-repo/muse_bench eval.py"


def _percent(title: str, better: str, source: str, range=_PERCENT) -> Metric:
    return Metric(title, better, source, range, digits=1, unit="percentage points")


METRICS: dict[str, Metric] = {
    "verbmem_f": _percent("VerbMem_f", "lower", f"forget set; {_MUSE_CODE}, verbmem.py"),
    "knowmem_f": _percent("KnowMem_f", "lower", f"forget set; {_MUSE_CODE}, knowmem.py"),
    "privleak": _percent(
        "PrivLeak", "zero", f"percent, against the retrained models here; {_MUSE_CODE}", _LEAK
    ),
    "knowmem_r": _percent("KnowMem_r", "higher", f"retain set; {_MUSE_CODE}, knowmem.py"),
    "min_k_auc": Metric(
        "AUC",
        "",
        f"forget against holdout, Min-40%; the retrained model's is best; {_MUSE_CODE}",
        digits=3,
    ),
    "privleak_published": _percent(
        "PrivLeak, published AUC",
        "zero",
        f"percent, against the AUC of the published retrained model, as in eval.py; {_MUSE_CODE}",
        _LEAK,
    ),
    **memorization("forget", "Forget"),
    **membership(),
}

STUDIES = {"muse": METRICS}


def summary(rows: dict[str, dict]) -> Summary:
    """The metrics that need no second model; they have no variants."""
    return Summary(summarise(rows), {})


def at_point(rows: dict[str, dict]) -> dict:
    """A point of a trajectory holds nothing besides the metrics."""
    return {}

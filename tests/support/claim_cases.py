"""Claims and rows of the frame for tests of verdicts."""

from report_world import results_of, run_rows
from unlearning.reporting.claims.file import Claim, Selection
from unlearning.reporting.claims.judge import judge

REFERENCES = [
    *run_rows("target", 42, model_utility=0.8, forget_quality=1e-12, log10_forget_quality=-12.0),
    *run_rows("retrain", 1, model_utility=0.84),
    *run_rows("retrain", 2, model_utility=0.84),
]


def utilities(method, values, hyper=(), metric="model_utility", **where):
    """Rows of a method with a value of each seed, from seed 1 on."""
    rows = []
    for seed, value in enumerate(values, 1):
        rows += run_rows(method, seed, hyper, **where, **{metric: value})
    return rows


def claim_of(**claim) -> Claim:
    """A claim about model utility; `of` and `than`: a method, or the arguments of a Selection."""
    entry = {"id": "x", "statement": "", "source": "", "metric": "model_utility", "relation": ">"}
    for key in {"of", "than"} & set(claim):
        arguments = claim[key] if isinstance(claim[key], tuple) else (claim[key],)
        claim[key] = Selection(*arguments)
    return Claim(**entry | claim)


def parts_of(run, rows, **claim):
    """The parts of one claim on the rows of an experiment, `run`."""
    (judged,) = judge([claim_of(**claim)], results_of(run, [*REFERENCES, *rows]))
    return judged.parts

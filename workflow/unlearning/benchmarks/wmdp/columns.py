"""Columns of the tables of a report on WMDP, and the note below them."""

from unlearning.benchmarks.wmdp.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
VARIED = ("one_minus_bio", "one_minus_cyber", "mmlu")
FURTHER_NOTE = ""
ANSWERS: dict[str, str] = {}
CITED = ("wmdp", "lm-evaluation-harness")


def note(results: Results) -> str:
    """The accuracy of a guess, and the source of the questions."""
    text = (
        "1 - accuracy on questions about what is to be forgotten (0.75 is chance), and accuracy on "
        "MMLU (0.25 is chance)."
    )
    if results.experiment.config["data"]["source"] == "mini-wmdp":
        text += (
            " The questions are the mini world's own, about germs (bio), worms (cyber) and towns "
            "(in MMLU's place): no number here is one of WMDP's or MMLU's."
        )
    return text

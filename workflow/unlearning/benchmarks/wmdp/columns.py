"""What the tables of a report on WMDP hold."""

from unlearning.benchmarks.wmdp.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
FURTHER_NOTE = ""
ANSWERS: dict[str, str] = {}
CITED = ("wmdp", "lm-evaluation-harness")


def note(results: Results) -> str:
    """What chance gives, and whose questions these are."""
    text = (
        "1 - accuracy on questions about what is to be forgotten (0.75 is chance), and accuracy on "
        "MMLU (0.25 is chance)."
    )
    if results.experiment.config["data"]["source"] == "mini-wmdp":
        text += (
            " These are the mini world's own questions, about germs (bio), worms (cyber) and towns "
            "(in MMLU's place): no number here is one of WMDP's or MMLU's."
        )
    return text

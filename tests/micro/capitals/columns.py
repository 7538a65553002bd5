"""What the tables of a report on capitals hold."""

from unlearning.benchmarks.capitals.metrics import METRICS

MAIN = tuple(METRICS)
PARTS = FURTHER = VARIED = ()
FURTHER_NOTE = ""


def note(results) -> str:
    """How to read them."""
    return "Losses per token of the answers."

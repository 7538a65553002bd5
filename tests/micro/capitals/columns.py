"""Columns of the tables of a report on capitals, and the note below them."""

from unlearning.benchmarks.capitals.metrics import METRICS

MAIN = tuple(METRICS)
PARTS = FURTHER = VARIED = ()
FURTHER_NOTE = ""


def note(results) -> str:
    """How to read the columns."""
    return "Losses per token of the answers."

"""Columns of the tables of a report on your own data, and the note below them."""

from unlearning.benchmarks.own.metrics import METRICS, SETS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
VARIED = ("log10_forget_quality", "forget_probability", "retain_probability")
FURTHER_NOTE = ""
ANSWERS = {name: f"{title} set" for name, title in SETS.items()}
CITED = ()


def note(results: Results) -> str:
    """How to read the columns."""
    return (
        "Arrows show the aim of unlearning: little likeness to the truth on the forget set, much "
        "on the other sets. The answers of a broken model are as unlike the truth as those of a "
        "model that has forgotten: read the columns of all sets together, and the answers below."
    )

"""What the tables of a report on your own data hold."""

from unlearning.benchmarks.own.metrics import METRICS, SETS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
FURTHER_NOTE = ""
ANSWERS = {name: f"{title} set" for name, title in SETS.items()}
CITED = ()


def note(results: Results) -> str:
    """How to read the columns."""
    return (
        "Arrows say what unlearning aims at: low likeness to the truth on the forget set, high "
        "elsewhere. A model that has broken down is as unlike the truth as one that has forgotten: "
        "read the columns of the forget set beside the others, and the answers below."
    )

"""Columns of the tables of a report on the synthetic studies, and the note below them."""

from unlearning.benchmarks.synthetic.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = VARIED = ()
FURTHER_NOTE = ""
ANSWERS: dict[str, str] = {}
CITED = ("npo", "simnpo")


def note(results: Results) -> str:
    """Explanation of every quantity in the tables."""
    present = set(results.frame["metric"])
    texts = []
    for name, metric in METRICS.items():
        if name in present:
            texts.append(f"{metric.title}: {metric.source}.")
    return " ".join(texts)

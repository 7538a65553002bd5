"""What the tables of a report on the synthetic studies hold."""

from unlearning.benchmarks.synthetic.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
FURTHER_NOTE = ""
ANSWERS: dict[str, str] = {}
CITED = ("npo", "simnpo")


def note(results: Results) -> str:
    """What the quantities are, study by study."""
    names = dict.fromkeys(name for name in METRICS if name in set(results.frame["metric"]))
    texts = [f"{METRICS[name].title}: {METRICS[name].source}." for name in names]
    return " ".join(texts)

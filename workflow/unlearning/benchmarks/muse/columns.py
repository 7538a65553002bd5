"""What the tables of a report on MUSE hold, and what readers should know about them."""

from unlearning.benchmarks.muse.formulas import KNOWMEM, VERBMEM
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
FURTHER_NOTE = ""
ANSWERS = {name: name for name in (VERBMEM, *KNOWMEM)}
CITED = ("muse",)


def note(results: Results) -> str:
    """How the metrics are taken."""
    data = results.experiment.config["data"]
    text = (
        "At the last epoch. VerbMem and KnowMem are ROUGE-L F1 in percent, of continued texts "
        "and of answered questions. PrivLeak is the AUC of a membership attack (Min-40% "
        "probability, forget against holdout texts) relative to a retrained model's: below 0 the "
        "forget set still shows, above 0 its absence does. Further retrained models are taken "
        "against the first."
    )
    if not (data.get("corpus") or data.get("data_dir")):
        text += " This is a world of its own: published numbers are of other models and data."
    return text

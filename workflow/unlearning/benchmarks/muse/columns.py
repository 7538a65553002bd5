"""Columns of the tables of a report on MUSE, and the note below them."""

from unlearning.benchmarks.muse.formulas import KNOWMEM, VERBMEM
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.results import Results

MAIN = tuple(METRICS)
PARTS = FURTHER = ()
VARIED = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")
FURTHER_NOTE = ""
ANSWERS = {name: name for name in (VERBMEM, *KNOWMEM)}
CITED = ("muse",)


def note(results: Results) -> str:
    """How to read the metrics."""
    data = results.experiment.config["data"]
    text = (
        "At the last epoch. VerbMem and KnowMem are ROUGE-L F1 in percent, of continued texts "
        "and of answered questions. PrivLeak is the AUC of a membership attack (Min-40% "
        "probability, forget against holdout texts) relative to a retrained model's: below 0 the "
        "forget set still shows, above 0 its absence does. Further retrained models are compared "
        "with the first."
    )
    if "reference" in results.experiment.config["evaluation"]["membership"]:
        text += " The membership attack reference takes a text's loss less a retrained model's."
    if not (data.get("corpus") or data.get("data_dir")):
        text += " Published numbers are of other models and data than this miniature's."
    return text

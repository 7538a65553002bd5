"""Reads all numbers of a report on capitals from the evaluations; there is no retrained model."""

from unlearning.benchmarks.capitals.metrics import METRICS
from unlearning.reporting.results import Reader, Results


class CapitalsReader(Reader):
    """Reads a report's numbers without retrained models."""

    retrained_needed = False


def read(experiment) -> Results:
    """All numbers; no claim is about capitals."""
    results = CapitalsReader(experiment).read(METRICS)
    results.judged_splits.clear()
    lead = f"Capitals of {experiment.config['experiment']}."
    results.details |= {"lead": lead, "notes": []}
    return results

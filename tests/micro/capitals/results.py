"""What the report on capitals reads: evaluations; no model was retrained to compare with."""

from unlearning.benchmarks.capitals.metrics import METRICS
from unlearning.reporting.results import Reader, Results


class CapitalsReader(Reader):
    """The target alone is needed."""

    retrained_needed = False


def read(experiment) -> Results:
    """Everything; no claim is about capitals."""
    results = CapitalsReader(experiment).read(METRICS)
    results.places.clear()
    lead = f"Capitals of {experiment.config['experiment']}."
    results.details |= {"lead": lead, "notes": []}
    return results

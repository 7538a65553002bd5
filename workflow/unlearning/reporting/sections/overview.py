"""What was run, in words, and how many claims held."""

from unlearning.reporting.claims.view import counts
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.section import Content

TITLE = "Overview"


def content(report) -> Content:
    """The benchmark tells its story in results.details: lead and notes."""
    experiment, models = report.experiment, report.results.models
    evaluated = (~models["method"].isin([TARGET, RETRAIN])).sum()
    if experiment.on_language_model:
        planned = sum(len(draw.cells()) for draw in experiment.draws)
    else:
        planned = len(experiment.jobs())
    details = report.results.details
    words = {"lead": details["lead"], "notes": details["notes"], "planned": planned}
    # a synthetic job is many runs, so there the benchmark counts jobs itself
    words |= {"evaluated": details.get("evaluated", evaluated), "counts": counts(report.claims)}
    return Content(words=words)

"""What was run, in words, and how many claims held."""

from unlearning.reporting.claims.view import counts
from unlearning.reporting.frame import finals
from unlearning.reporting.section import Content

TITLE = "Overview"


def content(report) -> Content:
    """The benchmark tells its story in results.details: lead and notes."""
    experiment, models = report.experiment, finals(report.frame)
    unlearned = models[models["label"].isin(list(report.results.variants))]
    planned = len(experiment.cells()) if experiment.on_language_model else len(experiment.jobs())
    return Content(
        words={
            "lead": report.results.details["lead"],
            "notes": report.results.details["notes"],
            "evaluated": report.results.details.get(
                "evaluated", len(unlearned[["split", "run"]].drop_duplicates())
            ),
            "planned": planned,
            "counts": counts(report.claims),
        }
    )

"""Which code, models, data and machines the numbers come from."""

from unlearning.reporting.provenance import distinct, provenance
from unlearning.reporting.section import Content

TITLE = "Provenance"


def content(report) -> Content:
    """Of the runs that left records; the experiment's complete configuration."""
    # a synthetic experiment has no model folders: its jobs' curves say what made them
    records = report.results.details.get("records")
    training = None if records is None else distinct(records)
    return Content(words={"provenance": provenance(report.experiment, training)})

"""What each stage cost."""

from dataclasses import asdict

import pandas

from unlearning.reporting.section import Content
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Cost"
TABLES = ("cost",)
SHOWN = ("cost",)

COLUMNS = [
    Column("jobs", "Jobs"),
    Column("total_seconds", "Total, min"),
    Column("median_seconds", "Median job, s"),
    Column("max_rss_mb", "Most memory, MB"),
    Column("tokens_per_second", "Tokens per second"),
]


def content(report) -> Content:
    """One line per rule."""
    names = ["rule", *(column.key for column in COLUMNS)]
    # `columns` also orders them, and leaves out `resumed`, which the template states once for all
    table = pandas.DataFrame(map(asdict, report.costs), columns=names)
    rows = [Row(cost.rule, _cells(cost)) for cost in report.costs]
    caption = f"Cost of {report.experiment.config['experiment']}, by stage"
    cost_table = Table("cost", caption, COLUMNS, rows, head="Stage")
    resumed = sum(cost.resumed for cost in report.costs)
    return Content({"cost": table}, {"cost": [cost_table]}, words={"resumed": resumed})


def _cells(cost) -> list[Cell]:
    texts = [f"{cost.jobs}", f"{cost.total_seconds / 60:.1f}", f"{cost.median_seconds:.1f}"]
    for value in (cost.max_rss_mb, cost.tokens_per_second):
        texts.append("–" if value is None else f"{value:,.0f}")
    values = [getattr(cost, column.key) for column in COLUMNS]
    return [Cell(text, value) for text, value in zip(texts, values, strict=True)]

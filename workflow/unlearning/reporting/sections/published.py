"""Published numbers: those of this experiment's own model beside ours, then all of them."""

from collections.abc import Mapping

import pandas

from unlearning.evaluation.metrics import Metric
from unlearning.reporting.labels import metric_text, spread_text
from unlearning.reporting.published.comparison import COLUMNS, EXPLANATION, Compared
from unlearning.reporting.published.numbers import PublishedModel, PublishedRow
from unlearning.reporting.section import Content
from unlearning.reporting.tables import Cell, Column, Row, Table, columns

TITLE = "Published"
TABLES = ("published",)
SHOWN = ("published",)

BESIDE = [
    Column("split", "Split", number=False),
    Column("metric", "Metric", number=False),
    Column("published", "Published"),
    Column("ours", "Ours"),
    Column("difference", "Difference"),
    Column("inside", "Inside our spread", number=False),
    Column("source", "Source", number=False),
]


def content(report) -> Content:
    """Empty for benchmarks without published numbers."""
    published, metrics = report.published, report.results.metrics
    caption = f"Published numbers beside those of {report.experiment.config['experiment']}"
    rows = [Row(cell.label, _beside(cell, metrics)) for cell in report.beside]
    table = pandas.DataFrame([cell.record() for cell in report.beside], columns=COLUMNS)
    models = []
    for number, model in enumerate(published.models):
        models.append((model, _table(number, model, published.metrics, metrics)))
    return Content(
        {"published": table},
        {"published": [Table("published", caption, BESIDE, rows)]},
        words={"published": published, "models": models, "explanation": EXPLANATION},
        empty=not published.models,
    )


def _beside(cell: Compared, metrics: Mapping[str, Metric]) -> list[Cell]:
    source = cell.source.title
    if not cell.hyper_stated:
        source += " (hyper-parameters not stated per cell)"
    title, inside = metrics[cell.metric].title, "yes" if cell.inside else "no"
    ours = metric_text(cell.metric, cell.mean)
    return [
        Cell(cell.split, cell.split),
        Cell(title, title),
        Cell(cell.text, cell.value),
        Cell(ours, cell.mean, spread_text(cell.metric, cell.sd), f"n {len(cell.values)}"),
        Cell(cell.difference_text, cell.difference),
        Cell(inside, inside),
        Cell(source, source),
    ]


def _table(
    number: int, model: PublishedModel, names: list[str], metrics: Mapping[str, Metric]
) -> Table:
    heads = [Column("as", "Published as", number=False), *columns(names, metrics)]
    heads += [Column("note", "Hyper-parameters, notes", number=False)]
    heads += [Column("source", "Source", number=False)]
    rows = [Row(row.name, _published(row, names)) for row in model.rows]
    caption = f"Published numbers of {model.name} on {model.split}"
    return Table(f"published-{number}", caption, heads, rows, head="Method")


def _published(row: PublishedRow, names: list[str]) -> list[Cell]:
    numbers = [Cell(row.text(name), row.values.get(name)) for name in names]
    source = " – ".join(text for text in (row.source.title, row.source.url) if text)
    note = row.note or "not stated"
    published_as = Cell(row.published_as, row.published_as)
    return [published_as, *numbers, Cell(note, note), Cell(source, source)]

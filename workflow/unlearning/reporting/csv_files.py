"""Tables as CSV: plain numbers in full precision, for further work."""

import csv
import io
from collections.abc import Iterable

from unlearning.reporting.comparison import HEADER, Compared
from unlearning.reporting.cost import Cost

CELL = ("split", "method", "variant", "label", "seed")
COST = ("rule", "jobs", "total_seconds", "median_seconds", "max_rss_mb", "tokens_per_second")


def csv_text(header: Iterable[str], rows: Iterable[Iterable]) -> str:
    """CSV with a header; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if v is None else v for v in row] for row in rows)
    return text.getvalue()


def published_table(cells: list[Compared]) -> str:
    """One line per published cell of this experiment's own model; without any, the header."""
    return csv_text(HEADER, [cell.record() for cell in cells])


def cost_table(costs: list[Cost]) -> str:
    """One line per rule."""
    return csv_text(COST, [[getattr(cost, key) for key in COST] for cost in costs])

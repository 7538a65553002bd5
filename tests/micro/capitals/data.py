"""The tables of capitals."""

from unlearning.data.build import Tables
from unlearning.data.tables import ColumnNames

CAPITALS = {"Norway": "Oslo", "Peru": "Lima", "Cuba": "Havana", "Kenya": "Nairobi", "Italy": "Rome"}
CAPITALS |= {"Spain": "Madrid", "Japan": "Tokyo", "Chad": "Ndjamena", "Egypt": "Cairo"}


def tables(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """Tables to train on (forget, retain, full, pretrain) and to evaluate."""
    rows = []
    for country, capital in CAPITALS.items():
        question = f"What is the capital of {country}?"
        rows.append({"question": question, "answer": f"It is {capital}."})
    forget, retain = rows[: data["forgotten"]], rows[data["forgotten"] :]
    evaluated = {"forget_evaluated": forget, "retain_evaluated": retain}
    return {"forget": forget, "retain": retain, "full": rows, "pretrain": rows, **evaluated}


TABLES = {"capitals": tables}

"""The evaluation on disk: what evaluation hands on and the report reads. No torch."""

import json
from dataclasses import asdict
from pathlib import Path

from unlearning.benchmark import room
from unlearning.evaluation.own import own_metrics
from unlearning.files import read_json, write_json, write_text

OFFICIAL = "official"  # formulas that are no variant


def write_evaluation(
    folder: Path, rows: dict[str, dict], benchmark: str, own: dict[str, str] | None = None
) -> dict[str, float]:
    """Write rows.json (set -> columns) and summary.json; returns the metrics.

    own: metric of the user's own -> its function; the summary also says which direction is better.
    """
    sizes = {name: len(columns["question"]) for name, columns in rows.items()}
    summary = asdict(room(benchmark, "metrics").summary(rows))
    measured = own_metrics(own or {}, rows)
    summary["metrics"] |= {name: value for name, (value, _) in measured.items()}
    directions = {name: better for name, (_, better) in measured.items()}
    write_records(folder, rows, {"rows": sizes, **summary} | ({"own": directions} if own else {}))
    return summary["metrics"]


def write_records(folder: Path, rows: dict[str, dict], summary: dict) -> None:
    """Write both files of an evaluation."""
    write_text(folder / "rows.json", json.dumps(rows, ensure_ascii=False, allow_nan=False) + "\n")
    write_json(folder / "summary.json", summary)


def metrics_in(record: dict, variant: str) -> dict[str, float]:
    """Metric -> value in a variant, of a summary or of a trajectory's point."""
    return {**record["metrics"], **record["variants"].get(variant, {})}


def read_rows(folder: Path) -> dict[str, dict]:
    """Set name -> columns of an evaluation folder."""
    return read_json(Path(folder) / "rows.json")


def read_metrics(folder: Path, variant: str = OFFICIAL) -> dict[str, float]:
    """Metric -> value of an evaluation folder."""
    return metrics_in(read_json(Path(folder) / "summary.json"), variant)


def trajectory_point(
    epoch: int,
    step: int,
    rows: dict[str, dict],
    benchmark: str,
    own: dict[str, str] | None = None,
) -> dict:
    """An evaluation during a run: its metrics, those of the user's `own` functions among them, and
    what the report computes from its rows."""
    measures = room(benchmark, "metrics")
    summary = asdict(measures.summary(rows))
    measured = own_metrics(own or {}, rows)
    summary["metrics"] |= {name: value for name, (value, _) in measured.items()}
    return {"epoch": epoch, "step": step, **summary, **measures.at_point(rows)}

"""Write and read evaluation folders (rows.json, summary.json) and points of trajectories. No
torch."""

import json
from dataclasses import asdict
from pathlib import Path

from unlearning.benchmark import room
from unlearning.evaluation.own import own_metrics
from unlearning.files import read_json, write_json, write_text

OFFICIAL = "official"  # the default formulas, in which a summary's `metrics` are


def write_evaluation(
    folder: Path, rows: dict[str, dict], benchmark: str, user_metrics: dict[str, str] | None = None
) -> dict[str, float]:
    """Write rows.json (set -> columns) and summary.json; returns the metrics.

    user_metrics: the user's own metric -> its function; the summary also records the directions.
    """
    sizes = {name: len(columns["question"]) for name, columns in rows.items()}
    summary, directions = _summarise(rows, benchmark, user_metrics or {})
    record = {"rows": sizes, **summary}
    if user_metrics:  # reports do not run the user's functions, which alone know the direction
        record["own"] = directions
    write_records(folder, rows, record)
    return summary["metrics"]


def _summarise(
    rows: dict[str, dict], benchmark: str, user_metrics: dict[str, str]
) -> tuple[dict, dict[str, str]]:
    """The benchmark's Summary as a dict, with the user's metrics, and their directions."""
    summary = asdict(room(benchmark, "metrics").summary(rows))
    directions = {}
    for name, (value, better) in own_metrics(user_metrics, rows).items():
        summary["metrics"][name] = value
        directions[name] = better
    return summary, directions


def write_records(folder: Path, rows: dict[str, dict], summary: dict) -> None:
    """Write both files of an evaluation."""
    write_text(folder / "rows.json", json.dumps(rows, ensure_ascii=False, allow_nan=False) + "\n")
    write_json(folder / "summary.json", summary)


def metrics_in(record: dict, formulas: str) -> dict[str, float]:
    """Metric -> value by these formulas, from a summary or a trajectory's point."""
    return {**record["metrics"], **record["variants"].get(formulas, {})}


def read_rows(folder: Path) -> dict[str, dict]:
    """Set name -> columns of an evaluation folder."""
    return read_json(Path(folder) / "rows.json")


def read_metrics(folder: Path, formulas: str = OFFICIAL) -> dict[str, float]:
    return metrics_in(read_json(Path(folder) / "summary.json"), formulas)


def trajectory_point(
    epoch: float,
    step: int,
    rows: dict[str, dict],
    benchmark: str,
    user_metrics: dict[str, str] | None = None,
) -> dict:
    """The record of an evaluation during a run: its metrics, and the values of its rows that the
    report needs (the benchmark's at_point)."""
    # without the directions: the run's evaluation at its end records them
    summary, _ = _summarise(rows, benchmark, user_metrics or {})
    at_point = room(benchmark, "metrics").at_point(rows)
    return {"epoch": epoch, "step": step, **summary, **at_point}

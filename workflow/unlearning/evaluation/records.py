"""The evaluation on disk: what evaluation hands on and the report reads. No torch."""

import json
from pathlib import Path

from unlearning.evaluation import muse, tofu
from unlearning.files import read_json, write_json, write_text


def summarise(rows: dict[str, dict]) -> dict[str, float]:
    """Metric -> value, by the benchmark whose sets these are."""
    return (muse if muse.VERBMEM in rows else tofu).summarise(rows)


def write_evaluation(folder: Path, rows: dict[str, dict]) -> dict[str, float]:
    """Write rows.json (set -> columns) and summary.json (metric -> value); returns the latter."""
    metrics = summarise(rows)
    sizes = {name: len(columns["question"]) for name, columns in rows.items()}
    write_text(folder / "rows.json", json.dumps(rows, ensure_ascii=False, allow_nan=False) + "\n")
    write_json(folder / "summary.json", {"rows": sizes, "metrics": metrics})
    return metrics


def read_rows(folder: Path) -> dict[str, dict]:
    """Set name -> columns of an evaluation folder."""
    return read_json(Path(folder) / "rows.json")


def read_metrics(folder: Path) -> dict[str, float]:
    """Metric -> value of an evaluation folder."""
    return read_json(Path(folder) / "summary.json")["metrics"]


def trajectory_point(epoch: int, step: int, rows: dict[str, dict]) -> dict:
    """An evaluation during a run: its metrics, and what TOFU's forget quality is computed from."""
    point = {"epoch": epoch, "step": step, "metrics": summarise(rows)}
    if "forget" in rows:
        point["log_truth_ratio"] = tofu.log_truth_ratio(rows["forget"]).tolist()
    return point

"""The evaluation on disk: what evaluation hands on and the report reads. No torch."""

import json
from pathlib import Path

from unlearning.benchmarks.muse import formulas as muse
from unlearning.benchmarks.tofu.formulas import OFFICIAL, VARIANTS, log_truth_ratio
from unlearning.evaluation import summary
from unlearning.files import read_json, write_json, write_text


def write_evaluation(folder: Path, rows: dict[str, dict]) -> dict[str, float]:
    """Write rows.json (set -> columns) and summary.json; returns the official metrics."""
    sizes = {name: len(columns["question"]) for name, columns in rows.items()}
    write_text(folder / "rows.json", json.dumps(rows, ensure_ascii=False, allow_nan=False) + "\n")
    metrics, variants = in_all_variants(rows)
    write_json(folder / "summary.json", {"rows": sizes, "metrics": metrics, "variants": variants})
    return metrics


def in_all_variants(rows: dict[str, dict]) -> tuple[dict[str, float], dict[str, dict]]:
    """Official metrics, and by the name of each other variant those that differ in it.

    So the choice of a variant is the report's, and reruns nothing else. MUSE has one variant.
    """
    if muse.VERBMEM in rows:
        return muse.summarise(rows), {}
    official = summary.summarise(rows)
    others = {v: summary.summarise(rows, v) for v in VARIANTS if v != OFFICIAL}
    return official, {
        variant: {key: value for key, value in metrics.items() if value != official[key]}
        for variant, metrics in others.items()
    }


def metrics_in(record: dict, variant: str) -> dict[str, float]:
    """Metric -> value in a variant, of a summary or of a trajectory's point."""
    return {**record["metrics"], **record["variants"].get(variant, {})}


def read_rows(folder: Path) -> dict[str, dict]:
    """Set name -> columns of an evaluation folder."""
    return read_json(Path(folder) / "rows.json")


def read_metrics(folder: Path, variant: str = OFFICIAL) -> dict[str, float]:
    """Metric -> value of an evaluation folder."""
    return metrics_in(read_json(Path(folder) / "summary.json"), variant)


def trajectory_point(epoch: int, step: int, rows: dict[str, dict]) -> dict:
    """An evaluation during a run: its metrics, and of TOFU's forget rows what forget quality and
    gradient weights are computed from."""
    metrics, variants = in_all_variants(rows)
    point = {"epoch": epoch, "step": step, "metrics": metrics, "variants": variants}
    if "forget" in rows:
        ratios = {v: log_truth_ratio(rows["forget"], v).tolist() for v in VARIANTS}
        point["log_truth_ratio"] = ratios
        point["answer_loss"] = rows["forget"]["answer_loss"]
    return point

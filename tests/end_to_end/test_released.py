"""Experiments that start from a target and a retrained model as they are: here those that the micro
experiment has trained."""

import csv
import json
from pathlib import Path

import pytest
from project import micro
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.evaluation.records import read_rows

TARGET = "results/micro/finetune/seed=42/model"
RETRAINED = "results/micro/forget10/retrain/seed=1"
UNUSED = ("pretrain", "finetune", "retrain")


def released(name: str, **retrained) -> dict:
    """The micro experiment with its target and retrained model taken as they are."""
    config = {key: value for key, value in micro().items() if key not in UNUSED}
    config |= {"experiment": name, "target": {"path": TARGET}}
    config |= {"retrained": {"forget10": retrained}}
    config["model"] = {"prompt": "plain", "precision": "float32"}
    return config


def forget_quality(cells: Path) -> dict[str, float]:
    """Variant -> forget quality in a report's table of models."""
    with cells.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["method"] != "retrain"]
    return {line["label"]: float(line["forget_quality"]) for line in lines}


def expected(world: Path) -> dict[str, float]:
    """Run -> forget quality against the retrained model of seed 1 alone, from the ordinary run."""
    folder = world / "forget10"
    theirs = log_truth_ratio(read_rows(folder / "retrain/seed=1/evaluate")["forget"])
    return {
        str(rows.parent.parent.relative_to(folder)): compare(
            log_truth_ratio(json.loads(rows.read_text(encoding="utf-8"))["forget"]), theirs
        ).p_value
        for rows in [*folder.glob("unlearn/*/*/seed=*/evaluate/rows.json")]
    }


@pytest.fixture(scope="module")
def run(project):
    """The project after an experiment that starts from both model folders."""
    done = project.snakemake(released("released", path=f"{RETRAINED}/model"))
    assert done.returncode == 0, done.stdout
    return project


def test_models_are_taken_as_they_are(run):
    world = run.root / "results" / "released"
    assert not (world / "finetune").exists() and not (world / "pretrain").exists()
    for ours, theirs in (("retrain/given", "retrain/seed=1"), ("target/given", "finetune/seed=42")):
        rows = [
            read_rows(folder / "forget10" / name / "evaluate")
            for folder, name in ((world, ours), (run.world, theirs))
        ]
        assert rows[0] == rows[1]

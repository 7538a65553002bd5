"""Experiments that start from a target and a retrained model as they are: here those that the micro
experiment has trained."""

import csv
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from project import micro
from scipy.stats import ks_2samp
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.benchmarks.tofu.logs import open_unlearning
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


def forget_quality(report: Path) -> dict[str, float]:
    """Run -> forget quality of the unlearned models in a report's table."""
    qualities = {}
    with (report / "tables" / "cells.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["variant"]:
                run = f"unlearn/{line['method']}/{line['variant']}/seed={line['seed']}"
                qualities[run] = float(line["forget_quality"])
    return qualities


def expected(world: Path, truth_ratio: Callable) -> dict[str, float]:
    """Run -> forget quality against the retrained model of seed 1 alone, from the ordinary run."""
    folder = world / "forget10"
    theirs = truth_ratio(read_rows(folder / "retrain/seed=1/evaluate")["forget"])
    qualities = {}
    for evaluation in folder.glob("unlearn/*/*/seed=*/evaluate"):
        ours = truth_ratio(read_rows(evaluation)["forget"])
        run = str(evaluation.parent.relative_to(folder))
        qualities[run] = ks_2samp(ours, theirs).pvalue
    return qualities


@pytest.fixture(scope="module")
def run(project, complete):
    """The project after an experiment that starts from both model folders."""
    complete(project, released("released", path=f"{RETRAINED}/model"))
    return project


def test_models_are_taken_as_they_are(run):
    world = run.root / "results" / "released"
    assert not any((world / stage).exists() for stage in UNUSED)
    assert not list(world.glob("*/retrain/*/model"))
    for ours, theirs in (("retrain/given", "retrain/seed=1"), ("target/given", "finetune/seed=42")):
        evaluations = [w / "forget10" / r for w, r in ((world, ours), (run.world, theirs))]
        first, second = (read_rows(folder / "evaluate") for folder in evaluations)
        assert first == second


def test_forget_quality_is_that_of_the_ordinary_run(run):
    qualities = forget_quality(run.root / "results/released/report")
    assert len(qualities) == 2 and qualities == expected(run.world, log_truth_ratio)


def test_provenance_names_the_models(run):
    page = (run.root / "results/released/report/index.html").read_text(encoding="utf-8")
    models = page.partition("Named models")[2].partition("</dd>")[0]
    assert TARGET in models and f"{RETRAINED}/model" in models
    assert "add a second seed" not in page


def test_an_evaluation_of_ours_stands_for_the_retrained_model(run, complete):
    """Of the earlier run only what the retrained model's rows come from is made anew."""
    config = released("logged", log=f"{RETRAINED}/evaluate") | {"world": "released"}
    assert run.jobs(config) == {"import_log": 1, "report": 1}
    complete(run, config)
    report = run.root / "results/logged/report"
    assert forget_quality(report) == expected(run.world, log_truth_ratio)
    with run.edited(f"{RETRAINED}/evaluate/rows.json", lambda text: f"{text}\n"):
        assert run.jobs(config) == {"import_log": 1, "report": 1}
    digest = hashlib.sha256((run.root / RETRAINED / "evaluate/rows.json").read_bytes()).hexdigest()
    assert digest in (report / "index.html").read_text(encoding="utf-8")


def test_a_log_of_open_unlearning_gives_its_forget_quality(run, complete):
    words = ["export", "--format", "open-unlearning", "--logs", f"{RETRAINED}/evaluate"]
    assert run.call(sys.executable, "-m", "unlearning", *words, "--out", "exported").returncode == 0
    config = released("exported", log="exported/TOFU_EVAL.json") | {"world": "released"}
    config["evaluation"]["variant"] = "open-unlearning"
    complete(run, config)
    report = run.root / "results/exported/report"
    assert forget_quality(report) == expected(run.world, open_unlearning.truth_ratio)

"""WMDP through Snakemake to its report."""

import csv
import json
import re
from contextlib import ExitStack

import pytest
from finished import MICRO, micro_config
from unlearning.__main__ import main
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.files import read_json

WMDP = MICRO / "wmdp.yaml"
TEMPLATE = "workflow/unlearning/reporting/sections/results.html.j2"
METRICS = {"one_minus_bio": "mini_wmdp_bio", "one_minus_cyber": "mini_wmdp_cyber"}
METRICS["mmlu"] = "mini_mmlu"


@pytest.fixture(scope="module")
def experiment(wmdp) -> Experiment:
    """The finished experiment; its paths lie in the copy of the project."""
    config = {**micro_config("wmdp"), "results": str(wmdp.root / "results")}
    return load_experiment(config, wmdp.root)


def cells(experiment: Experiment) -> list[dict]:
    """Rows of the report's cells.csv."""
    text = (experiment.layout.report / "tables" / "cells.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_report_holds_every_model(experiment):
    """With the accuracies that the harness wrote of each."""
    rows = cells(experiment)
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("target", "0"),
        *(("RMU+ACT", seed) for seed in "12"),
    ]
    accuracies = {tuple(row[metric] for metric in METRICS) for row in rows}
    assert len(accuracies) == len(rows)  # so that no model can stand for another
    runs = ["base", *(cell.run for cell in experiment.cells())]
    for row, run in zip(rows, runs, strict=True):
        tasks = read_json(experiment.layout.harness("bio", run))["tasks"]
        assert list(tasks) == list(METRICS.values())
        assert {scores["documents"] for scores in tasks.values()} == {20}  # 4 names, 5 questions
        for metric, task in METRICS.items():
            accuracy = tasks[task]["accuracy"]
            expected = accuracy if metric == "mmlu" else 1 - accuracy
            assert float(row[metric]) == pytest.approx(expected)


def test_each_model_is_asked_for_itself(experiment, wmdp, tmp_path, monkeypatch):
    """Accuracies of the base and of the last cell are those that its own model gives here."""
    monkeypatch.chdir(wmdp.root)  # tasks name their files from there
    layout, run = experiment.layout, experiment.cells()[-1].run
    for name, model, summary in (
        ("base", experiment.target, layout.harness("bio", "base")),
        ("cell", layout.model("bio", run), layout.harness("bio", run)),
    ):
        words = ["harness", "--model", model, "--out", tmp_path / name]
        words += ["--settings", json.dumps(experiment.harness_settings())]
        assert main([str(word) for word in words]) == 0
        assert read_json(tmp_path / name / "summary.json")["tasks"] == read_json(summary)["tasks"]


def test_a_mini_report_says_that_its_questions_are_its_own(experiment):
    report = experiment.layout.report
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "no number here is one of WMDP" in page
    assert "for orientation, not for comparison" in page
    assert "published 0." not in page  # no published number stands in a cell of ours
    linked = set(re.findall(r'href="((?:tables/)?[\w.]+\.(?:csv|json))"', page))
    assert linked >= {"tables/main.csv", "tables/cells.csv", "claims.json"}
    assert all((report / name).is_file() for name in linked)


def test_claims_are_judged_in_wmdp_experiments_alone(experiment):
    verdicts = {v["id"]: v for v in read_json(experiment.layout.report / "claims.json")}
    assert {name.partition("-")[0] for name in verdicts} == {"wmdp"}
    assert verdicts["wmdp-simnpo-keeps-mmlu"]["verdict"] == "not run"
    assert [part["seeds"] for part in verdicts["wmdp-rmu-nearer-chance"]["parts"]] == [2]
    assert verdicts["wmdp-original-knows"]["method"] == "target"


def test_nothing_is_left_to_do(wmdp):
    assert wmdp.jobs(WMDP) == {}


def test_each_edited_part_of_the_page_makes_the_report_again(wmdp):
    parts = ("config/claims.yaml", "config/published/wmdp.yaml", TEMPLATE)
    with ExitStack() as edits:
        for part in parts:
            edits.enter_context(wmdp.edited(part, lambda text: text + "\n"))
        planned = wmdp.dry_run(WMDP).stdout
    assert wmdp.job_stats(planned) == {"report": 1}
    (reason,) = re.findall(r"reason: Updated input files: (.*)", planned)
    assert set(reason.split(", ")) == set(parts)

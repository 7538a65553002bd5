"""What the mini reproduction must show, read from results/mini after `make reproduce`."""

import csv
import json
import os

import pytest
import yaml
from folders import ROOT
from unlearning.benchmarks.tofu.forget_quality import forget_quality
from unlearning.config.experiment import load_experiment
from unlearning.evaluation.records import read_metrics, read_rows


@pytest.fixture(scope="module")
def mini():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["results"] = str(ROOT / "results")
    experiment = load_experiment(config, ROOT)
    if not (experiment.layout.report / "index.html").is_file():
        message = "no results/mini: run `make reproduce` first"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return experiment


def qualities(mini, run):
    """Forget quality of a run against each retrained model."""
    folder = mini.layout.evaluation
    forget = read_rows(folder("forget10", run))["forget"]
    retrained = [read_rows(folder("forget10", r))["forget"] for r in mini.retrain_runs()]
    return [forget_quality(forget, other)["forget_quality"] for other in retrained]


def of_method(mini, method, **hyper):
    runs = [c.run for c in mini.cells() if c.method == method and dict(c.hyper) == hyper]
    assert len(runs) == 3
    return runs


def utility(mini, run):
    return read_metrics(mini.layout.evaluation("forget10", run))["model_utility"]


def test_the_target_remembers_and_a_second_retrained_model_does_not(mini):
    assert max(qualities(mini, mini.target_run)) < 1e-6
    assert qualities(mini, mini.retrain_runs()[1])[0] > 0.05


def test_gradient_ascent_collapses_and_simnpo_keeps_utility(mini):
    assert max(utility(mini, run) for run in of_method(mini, "GA")) < 0.05
    simnpo = of_method(mini, "SimNPO+RT", beta=2.5, forget_coeff=1.0)
    assert min(utility(mini, run) for run in simnpo) > 0.75


def test_ignorance_is_told_from_retraining(mini):
    assert max(q for run in of_method(mini, "IDK+RT") for q in qualities(mini, run)) < 1e-3


def test_the_report_judges_both_betas_and_shows_the_collapse(mini):
    claims = json.loads((mini.layout.report / "claims.json").read_text())
    judged = {(c["id"], part["variant"]): part["verdict"] for c in claims for part in c["parts"]}
    assert judged["ga-destroys-utility", "GA"] == "supported"
    assert {v for id, v in judged if id == "npo-rt-forgets"} == {"NPO+RT β=0.1", "NPO+RT β=1"}
    stated = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text())["claims"]
    elsewhere = {c["id"] for c in stated if {"experiment", "study"} & c.keys()}
    assert all(verdict != "not run" for (id, _), verdict in judged.items() if id not in elsewhere)
    assert len({id for id, _ in judged} - elsewhere) >= 20


def test_no_job_needs_four_gigabytes(mini):
    benchmarks = list((mini.layout.root / "benchmarks").rglob("*.tsv"))
    assert len(benchmarks) > 80
    for path in benchmarks:
        row = next(csv.DictReader(path.open(), delimiter="\t"))
        assert float(row["max_rss"]) < 4000, path

"""A tiny synthetic experiment through Snakemake to its report."""

import csv
import json
import re
from pathlib import Path

import pytest
from finished import micro_config
from folders import ROOT
from unlearning.__main__ import main
from unlearning.config.experiment import load_experiment
from unlearning.config.reading import merged
from unlearning.files import read_json


@pytest.fixture(scope="module")
def report(synthetic) -> Path:
    """Folder of the finished experiment's report."""
    return synthetic.root / "results" / "micro-synthetic" / "report"


def test_every_run_is_in_the_tables(report):
    text = (report / "tables" / "cells.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    runs = {(row["split"], row["label"], row["seed"]) for row in rows}
    labels = {"divergence": ("GA", "NPO β=0.1", "NPO β=1"), "markov": ("NPO", "SimNPO")}
    setting = {"divergence": "α = 1", "markov": "memorised and unmemorised chains"}
    expected = {
        ("logistic, α = 1", label, seed)
        for label in ("GA+RT", "IDK+RT", "NPO+RT")
        for seed in "123"
    }
    for study, names in labels.items():
        expected |= {(f"{study}, {setting[study]}", label, "1") for label in names}
    assert runs == expected


def test_the_page_holds_studies_and_verdicts(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    for title in ("Forget and retain distance", "Divergence speed", "Mixtures of Markov chains"):
        assert f">{title}</h3>" in page
    linked = set(re.findall(r'href="((?:tables|figures)/[^"]+)"', page))
    assert linked and all((report / name).is_file() for name in linked)
    verdicts = read_json(report / "claims.json")
    assert {verdict["study"] for verdict in verdicts} == {"logistic", "divergence", "markov"}
    (paired,) = (v for v in verdicts if v["id"] == "logistic-npo-rt-frontier-ga-rt")
    assert [part["seeds"] for part in paired["parts"]] == [3]
    single = [part for v in verdicts for part in v["parts"] if part["seeds"] == 1]
    assert single and {part["verdict"] for part in single} == {"inconclusive"}


@pytest.mark.parametrize(
    ("study", "setting", "stage"),
    [
        ("logistic", "alpha=1", "unlearn_logistic"),
        ("markov", "memorization", "unlearn_markov"),
    ],
)
def test_the_same_numbers_on_every_run(report, tmp_path, study, setting, stage):
    """In this process as in the job's."""
    settings = json.dumps(
        load_experiment(micro_config("synthetic"), ROOT).job_settings(study, setting)
    )
    out = tmp_path / "curves.json"
    assert main([stage, "--seed", "1", "--settings", settings, "--out", str(out)]) == 0
    runs = read_json(out)["runs"]
    assert all(len(run["curves"]["step"]) > 3 for run in runs)
    assert runs == read_json(report.parent / study / setting / "seed=1" / "curves.json")["runs"]


def test_a_changed_method_reruns_its_study_alone(synthetic):
    config = merged(
        micro_config("synthetic"), {"synthetic": {"markov": {"methods": {"NPO": {"beta": 2}}}}}
    )
    assert synthetic.jobs(config) == {"unlearn_markov": 1, "report": 1}

"""Synthetic experiments: what is refused, and a tiny one from its config to the report."""

import csv
import json
import re

import pytest
import yaml
from folders import ROOT
from unlearning.__main__ import main
from unlearning.config.experiment import load_experiment
from unlearning.config.schema import ConfigError
from unlearning.files import read_json

MICRO = ROOT / "tests" / "micro" / "synthetic.yaml"


def micro() -> dict:
    return yaml.safe_load(MICRO.read_text(encoding="utf-8"))


def changed(place: str, value) -> dict:
    """The micro experiment with another value at logistic.settings.0.alpha, say."""
    config = micro()
    *path, key = place.split(".")
    inside = config["synthetic"]
    for part in path:
        inside = inside[int(part)] if part.isdigit() else inside[part]
    inside[key] = value
    return config


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("logistic.settings.0.alpha", -1, ["settings.0.alpha", "at least 0", "found -1"]),
        ("logistic.settings.0.alpha", 11, ["settings.0.alpha", "at most 10", "found 11"]),
        ("logistic.settings.0.methods.KTO", {}, ["methods: unknown method 'KTO'", "IDK+RT"]),
        ("logistic.settings.0.methods.NPO+RT", {"beta": 1}, ["NPO+RT.lr", "state a number"]),
        ("divergence.settings.0.methods.GA", {"lr": 1, "beta": 1}, ["GA: unknown", "'beta'"]),
        ("divergence.settings.0.methods.NPO", {"lr": 1, "beta": 0}, ["NPO.beta", "greater than 0"]),
        ("logistic.every", 15, ["logistic.every", "at most half of the 20 steps", "15"]),
        ("logistic.step", 15, ["synthetic.logistic", "'step'", "did you mean 'steps'"]),
        ("gausian", {}, ["synthetic: unknown key 'gausian'", "did you mean 'gaussian'"]),
        ("markov.leakage", 1.5, ["markov.leakage", "1.5"]),
        ("markov.studies", ["lengths"], ["markov.studies.0", "length, memorization"]),
        ("markov.methods.IDK+RT", {}, ["markov.methods: unknown method 'IDK+RT'", "SimNPO"]),
        ("markov.methods.NPO", {"lr": 1}, ["markov.methods.NPO: unknown", "'lr'"]),
        ("markov.model.heads", 3, ["markov.model", "3 heads", "width 16"]),
        ("markov.test_share", 0.01, ["sequences.forget1", "test_share 0.01 of 10", "test on"]),
        ("markov.pretrain.batch_size", 17, ["markov.pretrain", "no full batch of 17"]),
    ],
)
def test_bad_setting(place, value, expected):
    with pytest.raises(ConfigError) as caught:
        load_experiment(changed(place, value), ROOT)
    message = str(caught.value)
    assert [part for part in expected if part not in message] == [], message


def test_settings_that_share_a_path():
    config = micro()
    config["synthetic"]["logistic"]["settings"] *= 2
    with pytest.raises(ConfigError, match="alpha=1 is listed twice"):
        load_experiment(config, ROOT)


def test_no_study():
    config = {"experiment": "empty", "synthetic": {"gaussian": {}}}
    with pytest.raises(ConfigError, match="names no study. Allowed: logistic, divergence, markov"):
        load_experiment(config, ROOT)


def test_all_problems_come_at_once():
    config = changed("logistic.settings.0.methods.SimPO", {})
    config["synthetic"]["markov"]["methods"]["KTO"] = {}
    with pytest.raises(ConfigError) as caught:
        load_experiment(config, ROOT)
    assert "'SimPO'" in str(caught.value) and "'KTO'" in str(caught.value)


def test_what_the_target_learns():
    """length: three chains, forget2 short. memorization: all long, forget2 unseen."""
    config = changed("markov.studies", ["length", "memorization"])
    experiment = load_experiment(config, ROOT)
    length, memorization = (
        experiment.job_settings("markov", study) for study in ("length", "memorization")
    )
    assert length["lengths"] == {"retain": 6, "forget1": 6, "forget2": 5}
    assert length["learnt"] == ["retain", "forget1", "forget2"]
    assert memorization["lengths"] == {"retain": 6, "forget1": 6, "forget2": 6}
    assert memorization["learnt"] == ["retain", "forget1"]


@pytest.fixture(scope="module")
def reported(fresh):
    """The micro experiment, run to its report."""
    done = fresh.snakemake(MICRO, "--show-failed-logs")
    assert done.returncode == 0, done.stdout
    return fresh.root / "results" / "micro-synthetic"


def test_every_run_is_in_the_tables(reported):
    text = (reported / "report" / "tables" / "cells.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    found = {(row["study"], row["setting"], row["label"], row["seed"]) for row in rows}
    labels = {"divergence": ("GA", "NPO β=0.1", "NPO β=1"), "markov": ("NPO", "SimNPO")}
    setting = {"divergence": "alpha=1", "markov": "memorization"}
    expected = {
        ("logistic", "alpha=1", label, seed)
        for label in ("GA+RT", "IDK+RT", "NPO+RT")
        for seed in "123"
    }
    expected |= {(s, setting[s], label, "1") for s, own in labels.items() for label in own}
    assert found == expected


def test_the_page_holds_studies_and_verdicts(reported):
    report = reported / "report"
    page = (report / "index.html").read_text(encoding="utf-8")
    for title in ("Forget and retain distance", "Divergence speed", "Mixtures of Markov chains"):
        assert f"<h2>{title}</h2>" in page
    linked = set(re.findall(r'href="((?:tables|figures)/[^"]+)"', page))
    assert linked and all((report / name).is_file() for name in linked)
    verdicts = read_json(report / "claims.json")
    assert {verdict["study"] for verdict in verdicts} == {"logistic", "divergence", "markov"}
    paired = [v for v in verdicts if v["id"] == "logistic-npo-rt-frontier-ga-rt"]
    assert [v["seeds"] for v in paired] == [3]
    assert all(v["verdict"] in ("inconclusive", "not run") for v in verdicts if v["seeds"] == 1)


@pytest.mark.parametrize(
    ("study", "setting", "stage"),
    [
        ("logistic", "alpha=1", "unlearn_logistic"),
        ("markov", "memorization", "unlearn_markov"),
    ],
)
def test_the_same_numbers_on_every_run(reported, tmp_path, study, setting, stage):
    """In this process as in the job's."""
    settings = json.dumps(load_experiment(micro(), ROOT).job_settings(study, setting))
    out = tmp_path / "curves.json"
    assert main([stage, "--seed", "1", "--settings", settings, "--out", str(out)]) == 0
    found = read_json(out)["runs"]
    assert all(len(run["curves"]["step"]) > 3 for run in found)
    assert found == read_json(reported / study / setting / "seed=1" / "curves.json")["runs"]


def test_a_changed_method_reruns_its_study_alone(reported, fresh):
    config = changed("markov.methods.NPO", {"beta": 2})
    done = fresh.snakemake(config, "--dry-run")
    assert fresh.job_stats(done.stdout) == {"unlearn_markov": 1, "report": 1}

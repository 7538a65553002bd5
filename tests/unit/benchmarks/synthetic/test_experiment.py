"""A synthetic config: what is refused, and what its studies learn."""

from argparse import Namespace

import pytest
from finished import micro_config
from folders import ROOT
from unlearning.by_hand import complete
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.config.schema import ConfigError


def changed(key_path: str, value) -> dict:
    """The micro experiment with another value at logistic.settings.0.alpha, say."""
    config = micro_config("synthetic")
    *path, key = key_path.split(".")
    section = config["synthetic"]
    for part in path:
        section = section[int(part)] if part.isdigit() else section[part]
    section[key] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("logistic.settings.0.alpha", -1, ["settings.0.alpha", "at least 0", "found -1"]),
        ("logistic.settings.0.alpha", 11, ["settings.0.alpha", "at most 10", "found 11"]),
        ("logistic.settings.0.methods.KTO", {}, ["methods: unknown method 'KTO'", "IDK+RT"]),
        ("logistic.settings.0.methods.NPO+RT", {"beta": 1}, ["NPO+RT.lr", "state one"]),
        ("divergence.settings.0.methods.GA", {"lr": 1, "beta": 1}, ["GA: unknown", "'beta'"]),
        ("divergence.settings.0.methods.NPO", {"lr": 1, "beta": 0}, ["NPO.beta", "greater than 0"]),
        ("logistic.every", 15, ["logistic.every", "at most half of the 20 steps", "15"]),
        ("logistic.step", 15, ["synthetic.logistic", "'step'", "did you mean 'steps'"]),
        ("gausian", {}, ["synthetic: unknown key 'gausian'", "did you mean 'gaussian'"]),
        ("markov.leakage", 1.5, ["markov.leakage", "1.5"]),
        ("markov.studies", ["lengths"], ["markov.studies.0", "length, memorization"]),
        ("markov.methods.IDK+RT", {}, ["markov.methods: unknown method 'IDK+RT'", "SimNPO"]),
        ("markov.methods.NPO", {"lr": 1}, ["markov.methods.NPO: unknown", "'lr'"]),
        ("markov.model.heads", 3, ["markov.model: unknown key 'heads'", "layers, width"]),
        ("markov.test_share", 0.01, ["sequences.forget1", "test_share 0.01 of 10", "test on"]),
        ("markov.pretrain.epochs", 0.5, ["markov.pretrain.epochs", "0.5"]),
    ],
)
def test_bad_setting(path, value, expected):
    with pytest.raises(ConfigError) as caught:
        load_experiment(changed(path, value), ROOT)
    message = str(caught.value)
    assert [part for part in expected if part not in message] == [], message


def test_the_study_of_lengths_has_a_shorter_chain():
    config = micro_config("synthetic")
    config["synthetic"]["markov"] |= {"studies": ["length"], "long": 6, "short": 6}
    with pytest.raises(ConfigError, match=r"markov.short: .* less than long, 6; found 6"):
        load_experiment(config, ROOT)
    config["synthetic"]["markov"]["short"] = 5
    load_experiment(config, ROOT)


def test_settings_that_share_a_path():
    config = micro_config("synthetic")
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


def test_a_stage_by_hand_asks_for_no_forget_split():
    config = [str(ROOT / "tests/micro/synthetic.yaml")]
    args = Namespace(config=config, settings_of=lambda experiment, args: experiment.config)
    complete(args)
    assert args.settings["experiment"] == "micro-synthetic"


def test_nothing_is_missing_before_the_jobs(tmp_path):
    """A study needs no GPU, so its config has no number of them."""
    config = micro_config("synthetic") | {"results": str(tmp_path / "results")}
    preflight(load_experiment(config, ROOT))
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot write to"):
        preflight(load_experiment(config | {"results": str(blocked / "results")}, ROOT))

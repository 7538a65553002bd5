"""What the page says of its origin, and what it must not say."""

import subprocess

import pytest
import yaml
from finished import micro_config
from folders import ROOT
from report_world import COMMIT
from unlearning import machine as machine_module
from unlearning.config.experiment import load_experiment
from unlearning.files import write_json
from unlearning.machine import git_state, machine
from unlearning.redaction import REDACTED, redact
from unlearning.reporting.provenance import (
    config_to_run,
    config_yaml,
    named_origins,
    provenance,
)


def test_secrets_are_redacted_and_settings_are_not():
    config = {
        "hub_token": "short",
        "model": {"path": "hf_abcdefghijklmnop", "tokenizer": "word"},
        "data": [{"url": "https://me:secret@example.org/x"}],
        "key": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5",
        "generation_tokens": 48,
        "hub_revision": "324592d84ae4f482ac7249b9285c2ecdb53e3a68",
        "lr": 1.0e-3,
    }
    assert redact(config) == {
        "hub_token": REDACTED,
        "model": {"path": REDACTED, "tokenizer": "word"},
        "data": [{"url": REDACTED}],
        "key": REDACTED,
        "generation_tokens": 48,
        "hub_revision": "324592d84ae4f482ac7249b9285c2ecdb53e3a68",
        "lr": 1.0e-3,
    }


@pytest.mark.parametrize(
    "name",
    [
        "/data/hf_checkpoints_2026/llama3_2_1b_finetuned_on_the_letters_of_1890",
        "hub/models--meta-llama--Llama-3.2-1B/snapshots/324592d84ae4f482ac7249b9285c2ecdb53e3a68",
    ],
)
def test_long_names_of_folders_are_no_secrets(name):
    assert redact({"model": {"path": name}}) == {"model": {"path": name}}


def test_the_configuration_can_be_run_again(experiment):
    assert yaml.safe_load(config_yaml(experiment.config)) == experiment.config


@pytest.mark.parametrize("name", ["tofu", "own", "wmdp", "synthetic"])
def test_without_the_sections_that_it_has_no_use_for(name):
    config = micro_config(name)
    if name == "tofu":
        for section in ("pretrain", "finetune", "retrain"):
            del config[section]
        config |= {"model": {"prompt": "plain"}, "target": {"path": "someone/full"}}
        config |= {"retrained": {"forget10": {"path": "someone/retain90"}}}
    loaded = load_experiment(config, ROOT)
    printed = yaml.safe_load(config_yaml(config_to_run(loaded)))
    assert load_experiment(printed, ROOT).config == loaded.config


def test_named_models_and_their_commits(tmp_path):
    config = micro_config("own") | {"results": str(tmp_path), "pretrain": None}
    config |= {"model": {"prompt": "plain"}, "target": {"path": "someone/full", "revision": "v1"}}
    config |= {"retrained": {"forget": {"path": str(tmp_path / "retain")}}}
    loaded = load_experiment(config, ROOT)
    write_json(loaded.layout.assets / "target.json", {"commit": "c0ffee"})
    assert named_origins(loaded) == [
        {"target": "someone/full", "revision": "v1", "commit": "c0ffee"},
        {"retrained model of forget": str(tmp_path / "retain")},
    ]


def test_git_state_says_whether_there_are_changes(tmp_path, monkeypatch):
    answers = {"rev-parse": COMMIT, "status": ""}
    monkeypatch.setattr(machine_module, "_git", lambda folder, *words: answers[words[0]])
    assert git_state(tmp_path) == COMMIT
    answers["status"] = " M file"
    assert git_state(tmp_path) == f"{COMMIT}, with uncommitted changes"


def test_a_folder_that_is_no_checkout(tmp_path, monkeypatch):
    def failing(*_):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(machine_module, "_git", failing)
    assert git_state(tmp_path) == "not in a git checkout"


def test_training_and_machine(experiment, quickly):
    found = provenance(experiment)
    assert found["training"]["versions"] == [
        {"python": "3.11", "torch": "2.13", "transformers": "5.23"}
    ]
    assert set(machine()) == {"processor", "cores", "memory", "system"}
    assert "scipy" in found["libraries"]

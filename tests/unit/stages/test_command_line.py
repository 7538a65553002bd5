"""`python -m unlearning STAGE`: which stage runs."""

import pytest
from folders import ROOT
from unlearning.__main__ import main
from unlearning.files import write_json


def test_arguments_that_are_called_like_stages(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "doctor", "plan"]) == 1
    assert "doctor holds no results.parquet" in capsys.readouterr().err


def test_a_restored_model_does_not_say_its_prompt_format(tmp_path, capsys):
    write_json(tmp_path / "run.json", {"stage": "restore", "source": {}})
    assert main(["evaluate", "--model", str(tmp_path), "--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path) in error and "run.json" in error and "by --config FILE" in error


@pytest.mark.parametrize(
    ("attack", "problem"),
    [
        ("random", "has 2 such attacks (random/fraction=0.1, "),
        ("shortest", "has 0"),
    ],
)
def test_an_attack_that_the_config_does_not_say_once(attack, problem, capsys):
    config = [str(ROOT / "config/config.yaml")]
    config.append("relearn={attacks: [random], fraction: [0.1, 0.2]}")
    words = ["relearn", "--attack", attack, "--model", "m", "--data", "d", "--split", "forget10"]
    assert main([*words, "--seed", "1", "--out", "o", "--config", *config]) == 1
    error = capsys.readouterr().err
    assert problem in error and "State one by --config" in error


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", "4294967296", "١", ""])
def test_a_seed_that_no_config_may_have(seed, capsys):
    with pytest.raises(SystemExit):
        main(["relearn", f"--seed={seed}"])
    assert f"must be 0 to 4294967295, found '{seed}'" in capsys.readouterr().err


def test_a_model_folder_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--model", "none", "--data", "none", "--out", "out"]) == 1
    assert f"--model: no folder 'none' (seen from {tmp_path})" in capsys.readouterr().err


def test_a_harness_without_tasks(capsys):
    config = ["--config", str(ROOT / "config/config.yaml")]
    assert main(["harness", "--model", "m", "--out", "o", *config]) == 1
    assert "harness.tasks: the config names no task" in capsys.readouterr().err

"""The hyper-parameter `reference`: what it may be, and that it changes no other run."""

import pytest
import yaml
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.config.schema import ConfigError


def experiment(**methods):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["relearn"] = {"methods": []}
    return load_experiment({**config, "methods": methods}, ROOT)


def reference_paths(loaded) -> dict[str, str]:
    """Variant -> path of its reference's log-probabilities."""
    paths = {}
    for cell in loaded.cells():
        reference = dict(cell.hyper).get("reference", "target")
        paths[cell.variant] = str(loaded.reference(cell.split, cell.run, reference))
    return paths


def test_it_chooses_the_scores_and_nothing_else():
    names = ["target", "base", "retrain", "noise=0.05"]
    loaded = experiment(**{"NPO+RT": {"beta": 0.1, "reference": names}})
    usual = "results/mini/forget10/reference/forget.json"
    assert reference_paths(loaded) == {
        "beta=0.1_reference=target": usual,
        "beta=0.1_reference=base": "results/mini/forget10/reference/base/forget.json",
        "beta=0.1_reference=retrain": "results/mini/forget10/reference/retrain/forget.json",
        "beta=0.1_reference=noise=0.05": "results/mini/forget10/reference/noise=0.05/forget.json",
    }
    settings = [loaded.method_settings("NPO+RT", cell.variant) for cell in loaded.cells()]
    assert settings and all(entry == settings[0] for entry in settings)


def test_the_models_behind_the_scores():
    loaded = experiment(**{"NPO+RT": {"reference": ["base", "retrain", "noise=0.05"]}})
    model = loaded.reference_model
    assert model("forget10", "base") == "results/mini/pretrain/model"
    assert model("forget10", "retrain") == "results/mini/forget10/retrain/seed=1/model"
    assert model("forget10", "noise=0.05") == "results/mini/finetune/seed=42/model"
    assert loaded.reference_settings("noise=0.05")["noise"] == {"scale": 0.05, "seed": 42}
    assert "noise" not in loaded.reference_settings("retrain")


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("NPO+RT", "retrained", "must be target, base, retrain or noise=0.05"),
        ("NPO+RT", 0.05, "must be target, base, retrain or noise=0.05"),
        ("NPO+RT", "noise=0.050", "must be written noise=0.05"),
        ("NPO+RT", "noise=0", "must have noise above 0"),
        ("NPO+RT", ["base", "base"], "a grid is a list of distinct values"),
        ("SimNPO+RT", "base", "unknown hyper-parameter 'reference'"),
        ("DPO+RT", "base", "unknown hyper-parameter 'reference'"),  # scores its other answers too
    ],
)
def test_mistakes(method, value, message):
    with pytest.raises(ConfigError, match=message):
        experiment(**{method: {"reference": value}})

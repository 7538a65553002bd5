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


def scores(found) -> dict[str, str]:
    """Variant -> path of the reference's scores of a seed."""
    return {
        cell.variant: str(
            found.reference(cell.split, cell.run, dict(cell.hyper).get("reference", "target"))
        )
        for cell in found.cells()
    }


def test_it_chooses_the_scores_and_nothing_else():
    names = ["target", "base", "retrain", "noise=0.05"]
    found = experiment(**{"NPO+RT": [{"beta": 0.1}, {"beta": 0.1, "reference": names}]})
    usual = "results/mini/forget10/reference/forget.json"
    assert scores(found) == {
        "beta=0.1": usual,
        "beta=0.1_reference=target": usual,
        "beta=0.1_reference=base": "results/mini/forget10/reference/base/forget.json",
        "beta=0.1_reference=retrain": "results/mini/forget10/reference/retrain/forget.json",
        "beta=0.1_reference=noise=0.05": "results/mini/forget10/reference/noise=0.05/forget.json",
    }
    told = [found.method_settings("NPO+RT", variant) for variant in scores(found)]
    assert all(settings == told[0] for settings in told)


def test_the_models_behind_the_scores():
    found = experiment(**{"NPO+RT": {"reference": ["base", "retrain", "noise=0.05"]}})
    model = found.reference_model
    assert model("forget10", "base") == "results/mini/pretrain/model"
    assert model("forget10", "retrain") == "results/mini/forget10/retrain/seed=1/model"
    assert model("forget10", "noise=0.05") == "results/mini/finetune/seed=42/model"
    assert found.reference_settings("noise=0.05")["noise"] == {"scale": 0.05, "seed": 42}
    assert "noise" not in found.reference_settings("retrain")


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

"""What of a recipe is a stage's setting, so that a change of it starts the runs that it changes."""

import pytest
import yaml
from folders import ROOT
from unlearning.config.experiment import load_experiment

STAGES = ("pretrain", "finetune", "unlearn", "relearn")


def experiment(**recipe):
    """The mini experiment with `recipe` in all its training stages."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    return load_experiment(config | {s: config[s] | recipe for s in STAGES}, ROOT)


@pytest.mark.parametrize("stage", STAGES)
def test_which_weights_decay_is_a_setting_where_any_do(stage):
    default, stated, every = (
        experiment(**recipe).recipe(stage)
        for recipe in ({}, {"weight_decay_on": "matrices"}, {"weight_decay_on": "all"})
    )
    assert default == stated and default["weight_decay_on"] == "matrices"
    assert every == default | {"weight_decay_on": "all"}
    without = [
        experiment(weight_decay=0, weight_decay_on=choice).recipe(stage)
        for choice in ("matrices", "all")
    ]
    assert without[0] == without[1]

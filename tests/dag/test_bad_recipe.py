"""What a recipe asks for and the machine or the method cannot do: said before the first job."""

import pytest
from folders import ROOT
from unlearning.config import preflight as checked
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError


def problems(config: dict) -> str:
    """The message that the user gets for a config."""
    with pytest.raises(UserError) as caught:
        preflight(load_experiment(config, ROOT))
    return str(caught.value)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"pretrain": {"lora": {}}}, ["pretrain.lora", "random weights"]),
        ({"unlearn": {"lora": {"rank": 0}}}, ["unlearn.lora.rank", "at least 1, found 0"]),
        (
            {"unlearn": {"lora": {"dropout": 0.1}}},
            ["unknown key 'dropout'", "rank, alpha, modules"],
        ),
        ({"unlearn": {"lora": {"modules": "q_proj"}}}, ["lora.modules", "^all-linear$"]),
        (
            {"unlearn": {"lora": {}}, "methods": {"RMU+ACT": {"layer": 0}, "TaskVector": {}}},
            [
                "methods.RMU+ACT: chooses the weights that it trains",
                "methods.TaskVector: combines whole models",
                "set unlearn.lora to null",
            ],
        ),
    ],
    ids=str,
)
def test_lora_that_cannot_be_trained(micro_with, changes, expected):
    message = problems(micro_with(**changes))
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize(
    "optimizer, package", [("adamw8bit", "torchao"), ("paged_adamw_32bit", "bitsandbytes")]
)
def test_an_optimizer_without_its_package(micro_with, monkeypatch, optimizer, package):
    monkeypatch.setattr(checked, "find_spec", lambda name: None)
    message = problems(micro_with(unlearn={"optimizer": optimizer}))
    assert f"unlearn.optimizer: {optimizer} needs the package {package}" in message
    assert "'.[gpu]'" in message and "finetune" not in message


def test_paged_states_without_a_gpu(micro_with):
    message = problems(micro_with(finetune={"optimizer": "paged_adamw_32bit"}))
    assert (
        "finetune.optimizer: paged_adamw_32bit needs a CUDA GPU, and resources.gpus is 0" in message
    )

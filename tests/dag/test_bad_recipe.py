"""What a recipe asks for and the machine or the method cannot do: said before the first job."""

import pytest
from refusals import assert_named, problems
from unlearning.config import preflight


@pytest.mark.parametrize(
    "changes, key, parts",
    [
        ({"pretrain": {"lora": {}}}, "pretrain.lora", ["random weights", "set null"]),
        ({"unlearn": {"lora": {"rank": 0}}}, "unlearn.lora.rank", ["found 0", "at least 1"]),
        (
            {"unlearn": {"lora": {"dropout": 0.1}}},
            "unlearn.lora",
            ["'dropout'", "rank, alpha, modules"],
        ),
        ({"unlearn": {"lora": {"modules": "q_proj"}}}, "unlearn.lora.modules", ["all-linear"]),
    ],
    ids=str,
)
def test_lora_that_cannot_be_trained(micro_with, changes, key, parts):
    assert_named(problems(micro_with(**changes)), key, *parts)


def test_methods_that_cannot_train_an_adapter(micro_with):
    """One chooses the weights that it trains, the other combines whole models."""
    methods = {"RMU+ACT": {"layer": 0}, "TaskVector": {}}
    lines = problems(micro_with(unlearn={"lora": {}}, methods=methods))
    for method in methods:
        assert_named(lines, f"methods.{method}", "adapter", "remove it", "unlearn.lora to null")


@pytest.mark.parametrize(
    "optimizer, package", [("adamw8bit", "torchao"), ("paged_adamw_32bit", "bitsandbytes")]
)
def test_an_optimizer_without_its_package(micro_with, monkeypatch, optimizer, package):
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    lines = problems(micro_with(unlearn={"optimizer": optimizer}))
    assert_named(lines, "unlearn.optimizer", optimizer, package, "pip install", "'.[gpu]'")
    assert not any(line.startswith("finetune") for line in lines)


def test_paged_states_without_a_gpu(micro_with):
    lines = problems(micro_with(finetune={"optimizer": "paged_adamw_32bit"}))
    parts = ("paged_adamw_32bit", "resources.gpus is 0", "set resources.gpus to 1", "adamw")
    assert_named(lines, "finetune.optimizer", *parts)

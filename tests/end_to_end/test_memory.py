"""The memory account against what training steps really take, each in a process of its own."""

import importlib.util

import pytest
from folders import ROOT


def cases():
    path = ROOT / "benchmarks" / "memory_cases.py"
    spec = importlib.util.spec_from_file_location("memory_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precision": "bfloat16", "gradient_checkpointing": True, "micro_batch": 3},
        {"method": "NPO+KL"},
        # of fewer tokens the libraries' own buffers would be a tenth
        {"precision": "bfloat16", "tokens": 256, "micro_batch": 4, **cases().LORA},
    ],
    ids=["float32", "bfloat16, recomputed", "second model", "LoRA"],
)
def test_a_step_of_25_million_parameters_takes_what_is_predicted(options):
    """Peak resident memory above what was there before the model, within 15 %."""
    found = cases().measure({**cases().SMALL, **options}, "cpu")
    assert found["predicted"]["total"] == pytest.approx(found["measured"], rel=0.15)

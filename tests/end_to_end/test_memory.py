"""The memory account against what training steps really take.

More cases, and larger ones: benchmarks/memory_cases.py.
"""

import importlib.util

import pytest
from folders import ROOT


def cases_module():
    """benchmarks/memory_cases.py, which is in no package."""
    path = ROOT / "benchmarks" / "memory_cases.py"
    spec = importlib.util.spec_from_file_location("memory_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


memory_cases = cases_module()
CASES = {
    "float32": {},
    "bfloat16, recomputed": {
        "precision": "bfloat16",
        "gradient_checkpointing": True,
        "micro_batch": 3,
    },
    "second model": {"method": "NPO+KL", "passes": 1},
    # of fewer tokens the libraries' own buffers would be a tenth
    "LoRA": {
        **memory_cases.LORA,
        "precision": "bfloat16",
        "tokens": 256,
        "micro_batch": 4,
        "passes": 1,
    },
}


@pytest.fixture(scope="module")
def measured():
    """Name of a case -> its measured and predicted bytes, all of one process."""
    cases = [{**memory_cases.SMALL, "layers": 3, **case} for case in CASES.values()]
    records = memory_cases.measure(cases, "cpu")
    return dict(zip(CASES, records, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_14_million_parameters_takes_what_is_predicted(measured, name):
    """Peak resident memory above what was there before the model, within 15 %."""
    record = measured[name]
    assert record["predicted"]["total"] == pytest.approx(record["measured"], rel=0.15)

"""The same numbers on one, two and four processes, replicated and sharded, in any micro-batches.

All golden trajectories, and all cases on four processes: tests/soak/test_processes.py.
"""

import pytest
from process_cases import (
    CASES,
    GOLDEN_CASES,
    MICRO_BATCHES,
    RESUMED,
    SHARDINGS,
    SPECIAL,
    difference,
    read,
    run_cases,
    started,
)
from trajectories import check

# DPO takes all kinds of rows, and the reference's scores; SimNPO takes no reference.
OFFICIAL = [name for name in ("dpo_grad_diff", "simnpo_grad_diff") if name in GOLDEN_CASES]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """All cases on one process, this one."""
    folder = tmp_path_factory.mktemp("alone") / "cases"
    run_cases(folder, (*MICRO_BATCHES, *SPECIAL), ("replicate",))
    return read(folder)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Number of processes -> what the cases end with: all on two, some on four."""
    names = {2: [*CASES, *OFFICIAL], 4: ["micro-batch 3", "NPO+KL", RESUMED]}
    return started(tmp_path_factory.mktemp("several"), names)


@pytest.fixture(scope="module")
def two(several):
    """What the cases end with on two processes."""
    return several[2]


def test_processes_are_as_many_as_were_started(several):
    """Otherwise one process would be compared with itself."""
    assert {count: cases["processes"] for count, (cases, _) in several.items()} == {2: 2, 4: 4}


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", MICRO_BATCHES)
def test_weights_and_metrics_are_those_of_one_process(two, alone, sharding, name):
    weights, metrics = difference(two, f"{name}, {sharding}", alone, "micro-batch 16, replicate")
    assert weights < 1e-5 and metrics < 1e-4


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", sorted(SPECIAL.keys() - {"bfloat16"}))
def test_so_they_are_in_runs_that_bring_more(two, alone, sharding, name):
    weights, metrics = difference(two, f"{name}, {sharding}", alone, f"{name}, replicate")
    assert weights < 1e-5 and metrics < 1e-4


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", ["micro-batch 3", "NPO+KL"])
def test_so_they_are_on_four_processes(several, alone, sharding, name):
    weights, metrics = difference(several[4], f"{name}, {sharding}", alone, f"{name}, replicate")
    assert weights < 1e-5 and metrics < 1e-4


def test_sharding_computes_bfloat16_as_replicas_do(two):
    """Gradients are reduced in float32. One process pads other rows together, which in bfloat16
    moves single weights by a hundredth."""
    weights, metrics = difference(two, "bfloat16, shard", two, "bfloat16, replicate")
    assert weights < 1e-3 and metrics < 1e-4


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("processes", [2, 4])
def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(several, processes, sharding):
    """Of four steps it takes the last two."""
    cases = several[processes][0]
    resumed, undisturbed = f"{RESUMED}, {sharding}", f"micro-batch 3, {sharding}"
    assert cases[resumed]["steps"] == [3, 4]
    assert cases[resumed]["losses"] == cases[undisturbed]["losses"]
    assert difference(several[processes], resumed, several[processes], undisturbed) == (0, 0)


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", OFFICIAL)
def test_trajectories_equal_the_official_ones(two, sharding, name):
    check(two[0][f"{name}, {sharding}"], GOLDEN_CASES[name])

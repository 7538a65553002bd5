"""All cases of end_to_end/test_processes.py, and all golden trajectories, on 2 and 4 processes."""

import pytest
from process_cases import (
    CASES,
    GOLDEN_CASES,
    MICRO_BATCHES,
    SHARDINGS,
    SPECIAL,
    difference,
    started,
)
from trajectories import check

OFFICIAL = [*CASES, *GOLDEN_CASES]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Number of processes -> what the cases end with."""
    return started(tmp_path_factory.mktemp("several"), {1: CASES, 2: OFFICIAL, 4: OFFICIAL})


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("processes", [2, 4])
def test_every_case(several, processes, sharding):
    assert several[processes][0]["processes"] == processes
    for name in [*MICRO_BATCHES, *(SPECIAL.keys() - {"bfloat16"})]:
        one = "micro-batch 16" if name in MICRO_BATCHES else name
        pair = f"{name}, {sharding}", f"{one}, replicate"
        weights, metrics = difference(several[processes], pair[0], several[1], pair[1])
        assert weights < 1e-5 and metrics < 1e-4, pair
    for name, case in GOLDEN_CASES.items():
        check(several[processes][0][f"{name}, {sharding}"], case)

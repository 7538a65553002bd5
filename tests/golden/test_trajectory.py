"""The official trajectories on one process; end_to_end/test_processes.py has them on several."""

import pytest
from accelerate import Accelerator
from golden_files import cases
from trajectories import check, golden_world, trajectory


@pytest.fixture(scope="module")
def world(golden):
    return golden_world(golden)


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
@pytest.mark.parametrize(
    "case", cases("trajectory/expected.json"), ids=lambda c: c["official_name"]
)
def test_trajectory_equals_the_official_one(case, micro_batch, world):
    check(trajectory(world, case, micro_batch, Accelerator(cpu=True)), case)

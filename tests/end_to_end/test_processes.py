"""The same numbers on one, two and four processes, replicated and sharded, in any micro-batches."""

import pytest
from golden_files import cases
from process_cases import MICRO_BATCHES, SHARDINGS, SPECIAL, all_cases, difference, read, started
from trajectories import check

GOLDEN = cases("trajectory/expected.json")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """All cases on one process, this one."""
    folder = tmp_path_factory.mktemp("alone") / "cases"
    all_cases(folder, ("replicate",), golden=False)
    return read(folder)


@pytest.fixture(scope="module", params=[2, 4])
def shared(request, tmp_path_factory):
    """All cases on several processes, started once."""
    found = started(request.param, tmp_path_factory.mktemp("shared") / "cases")
    assert found[0]["processes"] == request.param
    return found


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("micro_batch", MICRO_BATCHES)
def test_weights_and_metrics_are_those_of_one_process(shared, alone, sharding, micro_batch):
    weights, metrics = difference(
        shared, f"micro-batch {micro_batch}, {sharding}", alone, "micro-batch 16, replicate"
    )
    assert weights < 1e-5 and metrics < 1e-4


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", sorted(SPECIAL.keys() - {"bfloat16"}))
def test_so_they_are_in_runs_that_bring_more(shared, alone, sharding, name):
    weights, metrics = difference(shared, f"{name}, {sharding}", alone, f"{name}, replicate")
    assert weights < 1e-5 and metrics < 1e-4


def test_sharding_computes_bfloat16_as_replicas_do(shared):
    """Gradients are reduced in float32. One process pads other rows together, which in bfloat16
    moves single weights by a hundredth."""
    weights, metrics = difference(shared, "bfloat16, shard", shared, "bfloat16, replicate")
    assert weights < 1e-3 and metrics < 1e-4


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(shared, sharding):
    assert shared[0][f"resumed, {sharding}"]


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["official_name"])
def test_trajectories_equal_the_official_ones(shared, sharding, case):
    check(shared[0][f"golden {case['official_name']}, {sharding}"], case)

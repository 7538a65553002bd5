"""Fixtures: the project before its first run, and after the micro experiment."""

import os
from collections.abc import Callable

import pytest
from project import MICRO, Project, copied, merged, micro

# Before torch is loaded: sums are the same in every test and in every process that a test starts.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def micro_with() -> Callable[..., dict]:
    """The micro experiment with changes: micro_with(unlearn={"seeds": [1, 2]})."""
    return lambda **changes: merged(micro(), changes)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Project:
    """The project before its first run."""
    return copied(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    """The project after the micro experiment. Shared: leave it as you find it."""
    finished = copied(tmp_path_factory.mktemp("project"))
    done = finished.snakemake(MICRO, "--show-failed-logs")
    assert done.returncode == 0, done.stdout
    return finished

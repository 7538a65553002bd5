"""In parallel runs the tests of a file share one process, else each makes their fixtures anew."""

import os

import pytest


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """A folder of the file's own, the same in all processes of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "processes"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("number", range(6))
def test_tests_of_a_file_run_in_one_process(processes, number):
    (processes / str(os.getpid())).touch()
    assert [path.name for path in processes.iterdir()] == [str(os.getpid())]

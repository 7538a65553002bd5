"""A run that is to be sent to SLURM starts only where the queue can be read."""

import pytest
from snakemake_interface_common.exceptions import WorkflowError
from unlearning.cluster.reachable import with_reachable_scheduler


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Put a command `squeue` of these shell lines onto an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(lines: str) -> None:
        (tmp_path / "squeue").write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "squeue").chmod(0o755)

    return put


def prepared() -> list[str]:
    """What an executor that is made now has prepared."""

    class Executor:
        def __post_init__(self, *words):
            self.words = [*words]

    with_reachable_scheduler(Executor)
    executor = Executor()
    executor.__post_init__("ready")
    return executor.words


def test_a_scheduler_that_answers(squeue):
    squeue('test "$1" = --noheader || exit 1; echo "17 main job"')
    assert prepared() == ["ready"]


def test_no_scheduler(squeue):
    with pytest.raises(WorkflowError, match="squeue: No such file .*PROFILE=config/profiles/local"):
        prepared()
    squeue("echo 'error: first' >&2; echo 'fatal: no controller' >&2; exit 1")
    with pytest.raises(WorkflowError, match=r"SLURM, .* from here: fatal: no controller\. Run"):
        prepared()

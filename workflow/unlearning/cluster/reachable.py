"""A run that is to be sent to SLURM is refused where no scheduler can be reached."""

import subprocess
from functools import wraps
from getpass import getuser
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

from unlearning.cluster.site import SECONDS


def with_reachable_scheduler(executor: Any) -> None:
    """Let the SLURM executor's class ask the scheduler once, before the first job of any kind.

    Otherwise the jobs that stay on this machine run, and each of the others fails as often as
    `retries` says. A dry run has no such executor.
    """
    prepare = executor.__post_init__

    @wraps(prepare)
    def __post_init__(self, *arguments, **options):
        problem = scheduler_problem()
        if problem is not None:
            raise WorkflowError(
                f"The profile sends jobs to SLURM, which cannot be reached from here: {problem}. "
                "Run this on a login node of the cluster, or with PROFILE=config/profiles/local"
            )
        prepare(self, *arguments, **options)

    executor.__post_init__ = __post_init__


def scheduler_problem() -> str | None:
    """Why the queue cannot be read; None if it can, or if there is no answer in time."""
    command = ["squeue", "--noheader", f"--user={getuser()}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return None
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1] if done.returncode else None

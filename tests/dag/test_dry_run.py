"""The warm process of dry runs answers what the command line does, or fails within its time."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from dry_run import DryRuns
from folders import ROOT

# When, which run, and from where Snakemake was started.
OF_A_RUN = re.compile(r"^\[.*\]$|^  (Date|Workflow ID|Command): .*$", re.MULTILINE)


def alive(group: int) -> bool:
    """Whether any process of a group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def words(output: str) -> list[str]:
    """Sorted: processes differ in the order of their sets, and so in that of files and jobs."""
    return sorted(re.findall(r"[^\s,;]+", OF_A_RUN.sub("", output)))


def test_same_answer_as_the_command_line(fresh, micro_with):
    """The argument's `true` is text for Snakemake, and one of the config's keys."""
    config, arguments = micro_with(unlearn={"seeds": [1, 2]}), ("--config", "rehearsal=true")
    warm = fresh.dry_run(config, *arguments)
    real = fresh.snakemake(config, "--dry-run", *arguments)
    assert warm.returncode == real.returncode == 0
    assert words(warm.stdout) == words(real.stdout)


def test_an_argument_that_there_is_not(fresh, micro_with):
    done = fresh.dry_run(micro_with(), "--no-such-option")
    assert done.returncode == 2 and "--no-such-option" in done.stdout


def test_death_of_the_server_is_an_error(tmp_path):
    dry_runs = DryRuns()
    group = dry_runs.start().pid
    os.kill(group, signal.SIGKILL)
    with pytest.raises(BrokenPipeError):
        dry_runs.run(tmp_path, {}, [])
    assert dry_runs.server is None and not alive(group)


def test_silence_of_the_server_is_an_error(tmp_path):
    dry_runs = DryRuns()
    group = dry_runs.start().pid
    os.kill(group, signal.SIGSTOP)
    with pytest.raises(TimeoutError, match=r"0\.1 seconds"):
        dry_runs.run(tmp_path, {}, [], timeout=0.1)
    assert dry_runs.server is None and not alive(group)


def test_server_ends_with_a_client_that_is_killed():
    client = "import dry_run, os; print(dry_run.DryRuns().start().pid, flush=True); os.abort()"
    support = ROOT / "tests" / "support"
    done = subprocess.run(
        [sys.executable, "-c", client], cwd=support, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGABRT
    end = time.monotonic() + 120
    while alive(int(done.stdout)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(int(done.stdout))

"""Workers of the tests: one for all runs that leave it whole, and others for tests that kill it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from folders import ROOT
from hold import holding
from unlearning.worker import WORKER_VARIABLE

SNAKEMAKE = (sys.executable, "-c", "import time; time.sleep(3600)")  # all that a worker sees of it
CELLS = 10_000  # more than all tests have


@dataclass
class Warm:
    """A folder for workers of so many cells. As text: what rules/common.smk exports."""

    folder: Path
    snakemake: subprocess.Popen
    cells: int

    def __str__(self) -> str:
        return address(self.folder, self.snakemake.pid, self.cells)

    def workers(self) -> list[psutil.Process]:
        """The workers themselves, without their children."""
        processes = []
        for process in psutil.process_iter(["cmdline", "ppid"]):
            words = process.info["cmdline"] or []
            if words[1:4] == ["-m", "unlearning.worker", str(self.folder)]:
                processes.append(process)
        ids = {process.pid for process in processes}
        return [process for process in processes if process.info["ppid"] not in ids]

    def end(self) -> None:
        """End the process that stands for Snakemake; the workers follow."""
        self.snakemake.kill()
        self.snakemake.wait()


def warm(folder: Path, cells: int) -> Warm:
    """A folder for workers; the first cell starts one."""
    return Warm(folder, subprocess.Popen(SNAKEMAKE), cells)


def address(folder: Path, snakemake: int, cells: int = CELLS) -> str:
    """Of the workers in a folder, which end with a process."""
    return f"{folder}:{snakemake}:{cells}"


def start_worker(workers: str) -> None:
    """Start the worker at an address, by a first cell. Its children can be held (hold.py)."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), WORKER_VARIABLE: workers}
    # as rules/common.smk starts one: transformers reads the second at its import
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "unlearning", "evaluate", "--help"]
    subprocess.run(command, env=holding(environment, ""), check=True, capture_output=True)


def worker_of_all(shared: Path, session: int) -> dict[str, str]:
    """The variable that sends cells to one worker for all processes of the tests, which the first
    of them starts in the folder `shared`. session: the process that it ends with."""
    folder = shared / "worker"
    workers = address(folder, session)
    with FileLock(shared / "worker.lock"):
        if not folder.exists():
            folder.mkdir()
            start_worker(workers)
    return {WORKER_VARIABLE: workers}


@contextmanager
def shared_worker(folder: Path) -> Iterator[Warm]:
    """One worker for the stages of all Snakemakes that run meanwhile with cells_per_job 1: loading
    torch takes longer than all else in a micro experiment."""
    workers = warm(folder, CELLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKER_VARIABLE, str(workers))
        start_worker(str(workers))
        try:
            yield workers
        finally:
            for process in workers.workers():
                process.kill()  # and with it its children, of which a failed test may hold one
            workers.end()

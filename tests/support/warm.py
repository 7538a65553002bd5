"""A worker of a test's own, and the process that stands for the Snakemake that it ends with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from folders import ROOT
from hold import holding
from unlearning.worker import WORKER_VARIABLE

SNAKEMAKE = (sys.executable, "-c", "import time; time.sleep(3600)")  # all that a worker sees of it


@dataclass
class Warm:
    """A folder for workers of so many cells. As text: what rules/common.smk exports."""

    folder: Path
    snakemake: subprocess.Popen
    cells: int

    def __str__(self) -> str:
        return f"{self.folder}:{self.snakemake.pid}:{self.cells}"

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


@contextmanager
def shared_worker(folder: Path) -> Iterator[Warm]:
    """One worker for the stages of all Snakemakes that run meanwhile with cells_per_job 1: loading
    torch takes longer than all else in a micro experiment. Its children can be held (hold.py)."""
    workers = warm(folder, 10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKER_VARIABLE, str(workers))
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
        # as rules/common.smk starts one: transformers reads the second at its import
        environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "unlearning", "evaluate", "--help"]
        subprocess.run(command, env=holding(environment, ""), check=True, capture_output=True)
        try:
            yield workers
        finally:
            for process in workers.workers():
                process.kill()  # and with it its children, of which a failed test may hold one
            workers.end()

"""What the SLURM tests share: a run that SLURM can interrupt, the profile, the fields of jobs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from project import Project
from slurm_cluster import Cluster, until

PROFILE = "config/profiles/slurm/config.yaml"
UNLEARNED = "results/micro/forget10/unlearn"
STEPS = 100
# Marks that it trains; takes a second for each step while there is a file `slow`.
LOSS = """
import time
from pathlib import Path


def loss(batch, scale=1.0):
    Path(f"scale={scale:g}").touch()
    time.sleep(1 if Path("slow").exists() else 0)
    return scale * (9 - batch.token_mean(batch.forget)).relu()
"""


@dataclass(frozen=True)
class Slow:
    """Runs of a method that takes its time while there is a file `slow`, after their local run."""

    project: Project
    config: dict
    scales: tuple[int, ...]

    @property
    def runs(self) -> list[str]:
        """Targets: the trajectories, one for each scale."""
        names = [f"epochs={STEPS}_scale={scale}" for scale in self.scales]
        return [f"{UNLEARNED}/slow+RT/{name}/seed=1/trajectory.json" for name in names]

    def before(self, folder: Path) -> Project:
        """A copy of the project before these runs, in which they are slow."""
        copy = self.project.moved_to(folder)
        shutil.rmtree(copy.root / UNLEARNED / "slow+RT")
        for path in copy.root.glob("scale=*"):
            path.unlink()
        (copy.root / "slow").touch()
        return copy

    def training(self, cluster: Cluster, project: Project, run: str) -> dict[str, str]:
        """The newest job of a run, once it trains."""
        scale = run.split("/")[-3].rpartition("_")[2]
        until((project.root / scale).exists)
        return [job for job in cluster.jobs(project) if f"_{scale}_" in job["Comment"]][-1]

    def compare(self, project: Project) -> None:
        """All runs went on from a state, and the results are those of the local runs."""
        for run in self.runs:
            assert "resumed after step" in log(project, run)
            assert (project.root / run).read_text() == (self.project.root / run).read_text()


def slow_runs(
    project: Project,
    micro_with: Callable,
    complete: Callable,
    folder: Path,
    scales: tuple[int, ...],
) -> Slow:
    """These runs without a scheduler, in a copy of the finished project."""
    method = {"slow+RT": {"function": "slow.py:loss", "scale": list(scales), "epochs": STEPS}}
    resources = {"checkpoint_minutes": 1000, "cells_per_job": 1}  # a state only where SLURM says so
    copy = project.moved_to(folder)
    (copy.root / "slow.py").write_text(LOSS)
    slow = Slow(copy, micro_with(methods=method, resources=resources), scales)
    complete(copy, slow.config, *slow.runs)
    return slow


def ended(cluster: Cluster, project: Project, *jobs: dict[str, str]) -> None:
    """Wait until none of the jobs runs, and take away the marks that they trained."""
    ids = {job["JobId"] for job in jobs}

    def gone() -> bool:
        states = [job["JobState"] for job in cluster.jobs(project) if job["JobId"] in ids]
        return not {"RUNNING", "COMPLETING"} & set(states)

    until(gone)
    for path in project.root.glob("scale=*"):
        path.unlink()


def log(project: Project, run: str) -> str:
    """The log of a target of `Slow.runs`."""
    path = run.replace(UNLEARNED, "results/micro/logs/unlearn/forget10")
    return (project.root / path).parent.with_suffix(".log").read_text()


def edited_profile(project: Project, commented: str, line: str):
    """The profile as a user edits it: one line of the site's block in use."""
    return project.edited(PROFILE, lambda text: text.replace(f"  # {commented}", f"  {line}"))


def attempts(jobs: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """What became of the jobs, and what they asked for."""
    return sorted((job["JobState"], job["Restarts"], job["MinMemoryNode"]) for job in jobs)

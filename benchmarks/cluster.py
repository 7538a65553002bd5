"""Submissions and seconds of many short jobs on a real SLURM, each alone and in groups.

    PYTHONPATH=workflow:tests/support python benchmarks/cluster.py --cells 8

The SLURM is that of tests/end_to_end/test_slurm.py: slurmctld and two nodes of one CPU each on this
machine. A cell is an unlearning run of tests/micro/tofu.yaml and its evaluation.
"""

import argparse
import shutil
import tempfile
import time
from datetime import datetime
from pathlib import Path

from project import Project, copied, micro
from slurm_cluster import Cluster, running_cluster

UNLEARNED = "results/micro/forget10/unlearn/NPO+RT"
MEMORY = 2000  # MB of a job, the default of resources.mem_mb
START = ("retrain", "reference")  # what cells start from


def experiment(cells: int, cells_per_job: int) -> dict:
    """The micro experiment with so many cells."""
    config = micro()
    config["methods"] = {"NPO+RT": {"beta": [(number + 1) / 100 for number in range(cells)]}}
    config["relearn"] = {"methods": []}
    config["resources"]["cells_per_job"] = cells_per_job
    return config


def evaluations(config: dict) -> list[str]:
    """Targets: the evaluation of each cell."""
    betas = config["methods"]["NPO+RT"]["beta"]
    return [f"{UNLEARNED}/beta={beta}/seed=1/evaluate/rows.json" for beta in betas]


def grouping(size: int) -> list[str]:
    """The words for Snakemake that put so many cells of a rule into one job, one after another."""
    rules = ("unlearn", "evaluate")
    words = ["--groups", *(f"{rule}={rule}" for rule in rules)]
    words += ["--group-components", *(f"{rule}={size}" for rule in rules)]
    return [*words, "--resources", f"mem_mb={MEMORY}", "--set-resource-scopes", "mem_mb=local"]


def measured(cluster: Cluster, project: Project, config: dict, words: list[str]) -> str:
    """The end of a row: submissions, seconds on the clock, and seconds of the jobs on the nodes.

    The clock has Snakemake's pauses between its questions in it, the jobs' seconds have not.
    """
    began = time.perf_counter()
    run = cluster.start(project, config, *evaluations(config), "--retries", "0", *words)
    run.process.wait()
    wall = time.perf_counter() - began
    done = run.result()
    assert done.returncode == 0, done.stdout
    # SLURM forgets jobs five minutes after their end, Snakemake's own log does not
    (log,) = (project.root / ".snakemake" / "log").glob("*.log")
    submissions = log.read_text(encoding="utf-8").count("has been submitted with SLURM jobid")
    jobs = cluster.jobs(project)
    if len(jobs) < submissions:
        return f"{submissions} | {wall:.0f} | not known"
    return f"{submissions} | {wall:.0f} | {sum(map(seconds, jobs)):.0f}"


def seconds(job: dict[str, str]) -> float:
    """How long a job ran."""
    start, end = (datetime.fromisoformat(job[key]) for key in ("StartTime", "EndTime"))
    return (end - start).total_seconds()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=8)
    count = parser.parse_args().cells
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        start = copied(Path(folder) / "start")
        done = start.snakemake(experiment(count, 100), "--until", *START)
        assert done.returncode == 0, done.stdout
        slurm = Path(folder) / "slurm"
        slurm.mkdir()
        print("| cells in a job | processes | submissions | seconds |")
        print("|---|---|---|---|")
        with running_cluster(slurm) as cluster:
            half = count // 2  # a job for each node
            for size, per_job in ((1, 1), (half, 1), (half, 100)):
                project = start.moved_to(Path(folder) / f"{size}-{per_job}")
                shutil.rmtree(project.root / ".snakemake" / "log")
                words = grouping(size) if size > 1 else []
                row = measured(cluster, project, experiment(count, per_job), words)
                process = "one for all cells" if per_job > 1 else "one for each cell"
                print(f"| {size} | {process} | {row} |", flush=True)


if __name__ == "__main__":
    main()

"""Submissions and seconds of many short jobs on a real SLURM: alone, in groups, and all in one job.

    PYTHONPATH=workflow:tests/support python benchmarks/cluster.py --cells 8

The SLURM is that of tests/end_to_end/test_slurm.py: slurmctld and two nodes of one CPU each on this
machine. A cell is an unlearning run of tests/micro/tofu.yaml and its evaluation.
"""

import argparse
import shlex
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
    return f"{submissions} | {wall:.0f} | {of_jobs(cluster, project, submissions)}"


def in_one_job(cluster: Cluster, project: Project, config: dict) -> str:
    """The end of a row: all cells in one job, in which Snakemake runs as on one machine."""
    local = ["snakemake", *evaluations(config), "--profile", "config/profiles/local"]
    local += ["--cores", "1", "--configfile", str(project.write(config))]
    words = ["sbatch", "--wait", "--mem", str(MEMORY), "--chdir", str(project.root)]
    began = time.perf_counter()
    done = project.call(*words, "--wrap", shlex.join(local))
    wall = time.perf_counter() - began
    assert done.returncode == 0, done.stdout
    return f"1 | {wall:.0f} | {of_jobs(cluster, project, 1)}"


def of_jobs(cluster: Cluster, project: Project, submissions: int) -> str:
    """Seconds of the project's jobs on nodes, unless SLURM has forgotten some of them."""
    jobs = cluster.jobs(project)
    return f"{sum(map(seconds, jobs)):.0f}" if len(jobs) == submissions else "not known"


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
        print("| cells in a job | processes | submissions | seconds | of jobs |")
        print("|---|---|---|---|---|")
        with running_cluster(slurm) as cluster:
            for size in (1, count // 2):  # half of them: a job for each node
                project = copy_of(start, Path(folder) / f"groups-of-{size}")
                words = grouping(size) if size > 1 else []
                row = measured(cluster, project, experiment(count, 1), words)
                print(f"| {size} | one for each cell | {row} |", flush=True)
            project = copy_of(start, Path(folder) / "one-job")
            row = in_one_job(cluster, project, experiment(count, 100))
            print(f"| all | one for all cells | {row} |", flush=True)


def copy_of(start: Project, folder: Path) -> Project:
    """The project before the cells, without the log of what was run before them."""
    project = start.moved_to(folder)
    shutil.rmtree(project.root / ".snakemake" / "log")
    return project


if __name__ == "__main__":
    main()

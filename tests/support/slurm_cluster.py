"""A SLURM cluster on this machine: slurmctld, two slurmd nodes with invented GPUs, a munge key."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

import psutil
import pytest
from project import Project

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
GET = "apt-get install slurm-wlm munge"
NODES = ("node1", "node2")

# MinJobAge keeps finished jobs in squeue, for a whole scenario on a busy machine. KillWait is the
# time between SIGTERM and SIGKILL.
CONF = """\
ClusterName={cluster}
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
JobSubmitPlugins=lua
GresTypes=gpu
MinJobAge=7200
KillWait=10
NodeName=node[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]} CPUs=1 \
RealMemory=8000 Gres=gpu:fake:2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
GRES = "NodeName=node[1-2] Name=gpu Type=fake File={folder}/gpu[0-1]\n"
# Inside a job the executor clears SLURM_CONF, as sites have their file in /etc/slurm.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""
# Accounts live in a database, which is not here; the site's own filter refuses with SLURM's words.
FILTER = """\
function slurm_job_submit(job, partition, user)
  if job.account == "unpaid" then return slurm.ESLURM_INVALID_ACCOUNT end
  return slurm.SUCCESS
end
function slurm_job_modify(job, record, partition, user) return slurm.SUCCESS end
return slurm.SUCCESS
"""


def query(*command: str) -> str:
    """Output of one of SLURM's commands."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def until(condition: Callable, seconds: float = 300):
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"still waiting after {seconds} s; queue:\n{query('squeue')}"
        time.sleep(0.3)
    return value


@dataclass(frozen=True)
class Run:
    """A snakemake in the background."""

    process: subprocess.Popen
    output: Path

    def result(self) -> subprocess.CompletedProcess:
        """Its end, with all that it said."""
        status = self.process.wait(timeout=900)
        return subprocess.CompletedProcess(self.process.args, status, self.output.read_text())


@dataclass(frozen=True)
class Cluster:
    """The running cluster: what SLURM knows of a project's jobs, and snakemake on it."""

    runs: list[Run] = field(default_factory=list)

    def jobs(self, project: Project) -> list[dict[str, str]]:
        """Fields of scontrol of all jobs submitted from the project's folder, oldest first."""
        lines = query("scontrol", "--oneliner", "show", "jobs").splitlines()
        records = [dict(f.split("=", 1) for f in line.split() if "=" in f) for line in lines]
        submitted = [job for job in records if job.get("WorkDir") == str(project.root)]
        return sorted(submitted, key=lambda job: int(job["JobId"]))

    def running(self, project: Project, rule: str) -> dict[str, str]:
        """The job whose comment, rule_NAME_wildcards_…, has `rule` in it, once its stage starts."""

        def started() -> dict[str, str] | None:
            for job in self.jobs(project):
                log = Path(job["StdOut"])
                runs = rule in job["Comment"] and job["JobState"] == "RUNNING" and log.exists()
                # the snakemake inside the job's step has come to the rule's shell line
                if runs and "\nlocalrule " in log.read_text():
                    return job
            return None

        return until(started)

    def pending_again(self, job: dict[str, str]) -> None:
        """Wait until a job is back in the queue, and take the two minutes off that SLURM waits."""
        command = ("squeue", "--noheader", "--format=%T", "--jobs", job["JobId"])
        until(lambda: query(*command).strip() == "PENDING")
        query("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")

    def start(self, project: Project, config: dict | Path, *arguments: str | Path) -> Run:
        """snakemake with the shipped profile in the background, asking for states more often."""
        path = config if isinstance(config, Path) else project.write(config)
        faster = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"]
        profile = ["--profile", "config/profiles/slurm"]
        command = ["snakemake", *arguments, *profile, *faster, "--configfile", path]
        output = project.root / f"snakemake-{len(self.runs)}.log"
        with output.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=project.root,
                env=project.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.runs.append(Run(process, output))
        return self.runs[-1]

    def run(self, project: Project, config: dict | Path, *arguments: str | Path):
        """The same, to its end."""
        return self.start(project, config, *arguments).result()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def configured(folder: Path) -> str:
    """Write slurm.conf and what goes with it; returns the cluster's name."""
    names = {"folder": folder, "user": getuser(), "host": socket.gethostname().split(".")[0]}
    ports = free_ports(3)
    names |= {"ports": ports, "cluster": f"test{ports[0]}"}
    (folder / "slurm.conf").write_text(CONF.format(**names))
    (folder / "gres.conf").write_text(GRES.format(folder=folder))
    (folder / "job_submit.lua").write_text(FILTER)
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN.format(folder=folder, srun=shutil.which("srun")))
    srun.chmod(0o755)
    for name in ("gpu0", "gpu1"):
        (folder / name).touch()
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    return names["cluster"]


def munged(folder: Path) -> list[str]:
    """The command of the authentication service; --force: the folder need not be root's own."""
    files = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
    files |= {"seed-file": "munged.seed", "key-file": "munge.key"}
    return ["munged", "--force", *(f"--{key}={folder / name}" for key, name in files.items())]


def end_jobs(cluster: str) -> None:
    """Kill the processes of jobs that are still there: those of a node that went down outlive their
    job, and so do those of a test that failed."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SLURM_CLUSTER_NAME") == cluster:
                process.kill()


def stop(folder: Path) -> None:
    """End the daemons by the ids that they wrote, nodes before the controller."""
    for name in (*NODES, "slurmctld", "munged"):
        file = folder / f"{name}.pid"
        if file.exists():
            os.kill(int(file.read_text()), 15)
            until_gone(file)


def until_gone(file: Path) -> None:
    """Daemons take their pid file with them."""
    end = time.monotonic() + 20
    while file.exists() and time.monotonic() < end:
        time.sleep(0.1)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster of two nodes, each with one CPU and two GPUs. Skips where SLURM is missing."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        message = f"SLURM is not installed ({', '.join(missing)} not found). Get it: {GET}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    name, cluster = configured(folder), Cluster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
        try:
            for command in (munged(folder), ["slurmctld"], *(["slurmd", "-N", n] for n in NODES)):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
            until(lambda: query("sinfo", "--noheader", "--format=%D %t").split() == ["2", "idle"])
            yield cluster
        finally:
            for run in cluster.runs:  # of a test that failed
                run.process.kill()
                run.process.wait()
            end_jobs(name)
            stop(folder)

"""The micro experiment through a real slurmctld; what happens to its jobs, happens on clusters."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from project import MICRO, Project
from slurm_cluster import Cluster, asked, running_cluster, until

PROFILE = "config/profiles/slurm/config.yaml"
METHODS = {"NPO+RT": "NPO+RT/beta=0.1/seed=1", "SimNPO+RT": "SimNPO+RT/default/seed=1"}
UNLEARNED = "results/micro/forget10/unlearn"
PRETRAINED = "results/micro/pretrain/model"
STOPPED = re.compile(r"error: stopped by SIGTERM after step \d+ of 200; the state is in")
OWN = """
import time
from pathlib import Path


def loss(batch, scale=1.0):
    Path(f"scale={scale:g}").touch()
    time.sleep(0.3 if Path("slow").exists() else 0)
    return scale * (9 - batch.token_mean(batch.forget)).relu()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """The pretended cluster, for all scenarios."""
    with running_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@dataclass(frozen=True)
class Slow:
    """Two runs of a method that takes its time while there is a file `slow`."""

    project: Project
    config: dict
    scales: tuple[int, ...] = (1, 2)

    @property
    def runs(self) -> list[str]:
        """Targets: both runs."""
        return [
            f"{UNLEARNED}/slow+RT/epochs=200_scale={n}/seed=1/trajectory.json" for n in self.scales
        ]

    def training(self, cluster: Cluster, project: Project, run: str) -> dict[str, str]:
        """The job of a run, once it trains."""
        scale = run.split("/")[-3].rpartition("_")[2]
        until((project.root / scale).exists)
        (job,) = (job for job in cluster.jobs(project) if f"_{scale}_" in job["Comment"])
        return job

    def ended(self, cluster: Cluster, project: Project, *jobs: dict[str, str]) -> None:
        """Wait until none of them runs, and let the next attempts be quick."""
        ids = {job["JobId"] for job in jobs}

        def gone() -> bool:
            own = (job for job in cluster.jobs(project) if job["JobId"] in ids)
            return not any(job["JobState"] in ("RUNNING", "COMPLETING") for job in own)

        until(gone)
        (project.root / "slow").unlink()

    def compare(self, project: Project) -> None:
        """Both went on from a state, and the results are those of the local run."""
        for run in self.runs:
            log = run.replace(UNLEARNED, "results/micro/logs/unlearn/forget10")
            told = (project.root / log).parent.with_suffix(".log").read_text()
            assert "resumed after step" in told
            assert (project.root / run).read_text() == (self.project.root / run).read_text()


@pytest.fixture(scope="module")
def slow(project, micro_with, tmp_path_factory):
    """The runs as they are without a scheduler."""
    own = {"slow+RT": {"function": "slow.py:loss", "scale": [1, 2], "epochs": 200}}
    copy = project.moved_to(tmp_path_factory.mktemp("slow") / "project")
    (copy.root / "slow.py").write_text(OWN)
    often = {"checkpoint_minutes": 1000}  # states are written when SLURM says so, and then only
    found = Slow(copy, micro_with(methods=own, resources=often))
    done = copy.snakemake(found.config, *found.runs)
    assert done.returncode == 0, done.stdout
    return found


@pytest.fixture
def again(slow, tmp_path):
    """A copy of that project before these runs, in which they take long."""
    copy = slow.project.moved_to(tmp_path / "project")
    shutil.rmtree(copy.root / UNLEARNED / "slow+RT")
    for path in copy.root.glob("scale=*"):
        path.unlink()
    (copy.root / "slow").touch()
    return copy


@pytest.fixture
def finished(project, tmp_path):
    """A copy of the project after its local run, to be damaged."""
    return project.moved_to(tmp_path / "project")


@pytest.fixture
def empty(fresh, tmp_path):
    """A copy of the project before its first run."""
    return fresh.moved_to(tmp_path / "project")


def results(project):
    """Everything that the report is made of, by path."""
    found = [p for name in ("summary", "trajectory") for p in project.world.rglob(f"{name}.json")]
    return {str(p.relative_to(project.world)): json.loads(p.read_text()) for p in found}


def rules(jobs):
    """Names of the jobs' rules, sorted."""
    return sorted(job["Comment"].removeprefix("rule_").partition("_")[0] for job in jobs)


def job_of(jobs, method):
    """The job of a method's unlearning run."""
    (job,) = (job for job in jobs if f"_{method}_" in job["Comment"])
    return job


def trajectories():
    """Targets: the unlearning runs of both methods and nothing after them."""
    return [f"{UNLEARNED}/{run}/trajectory.json" for run in METHODS.values()]


def attempts(jobs):
    """What became of the jobs, and what they asked for."""
    return sorted((job["JobState"], job["Restarts"], job["MinMemoryNode"]) for job in jobs)


def unlearned(project):
    """The trajectories of both methods."""
    return [json.loads((project.root / path).read_text()) for path in trajectories()]


def edited_profile(project, commented, line):
    """The profile as a user edits it: one line of the site's block in use."""
    return project.edited(PROFILE, lambda text: text.replace(f"  # {commented}", f"  {line}"))


def test_whole_experiment(cluster, project, empty):
    """From nothing to the report, with the values of the local run; no job of it asks for a GPU."""
    with edited_profile(empty, "gpu_model: MODEL", "gpu_model: fake"):
        done = cluster.run(empty, MICRO)
    assert done.returncode == 0, done.stdout
    assert (empty.world / "report" / "index.html").exists()
    assert results(empty) == results(project)
    jobs = cluster.jobs(empty)
    assert rules(jobs) == sorted(
        ["pretrain", "finetune", "reference", "relearn"]
        + ["retrain", "unlearn"] * 2
        + ["evaluate"] * 5
    )
    assert not any("gpu" in field for job in jobs for field in job.values())
    assert {(job["MinMemoryNode"], job["TimeLimit"]) for job in jobs} == {("2000M", "01:00:00")}


def test_cancelled_job(cluster, project, finished):
    """After scancel the next run does that job and what depends on it; work that was done stays."""
    shutil.rmtree(finished.world / "report")
    shutil.rmtree(finished.root / UNLEARNED / "NPO+RT")
    shutil.rmtree(finished.root / UNLEARNED / METHODS["SimNPO+RT"] / "evaluate")
    run = cluster.start(finished, MICRO, "--retries", "0")
    asked("scancel", cluster.running(finished, "rule_unlearn")["JobId"])
    done = run.result()
    assert done.returncode == 1
    assert "Error in rule unlearn" in done.stdout
    assert "CANCELLED" in done.stdout
    assert rules(cluster.jobs(finished)) == ["evaluate", "unlearn"]
    done = cluster.run(finished, MICRO)
    assert done.returncode == 0, done.stdout
    assert rules(cluster.jobs(finished)[2:]) == ["evaluate", "unlearn"]
    assert results(finished) == results(project)


def test_node_goes_down(cluster, project, finished):
    """Its job queues again and ends elsewhere; the job of the other node goes on."""
    shutil.rmtree(finished.root / UNLEARNED)
    run = cluster.start(finished, MICRO, *trajectories())
    hit, other = (cluster.running(finished, f"_{name}_") for name in METHODS)
    asked("scontrol", "update", f"NodeName={hit['NodeList']}", "State=DOWN", "Reason=test")
    cluster.pending_again(hit)
    done = run.result()
    asked("scontrol", "update", f"NodeName={hit['NodeList']}", "State=RESUME")
    assert done.returncode == 0, done.stdout
    again, undisturbed = (job_of(cluster.jobs(finished), name) for name in METHODS)
    assert (again["JobId"], again["Restarts"]) == (hit["JobId"], "1")
    assert again["NodeList"] == other["NodeList"] == undisturbed["NodeList"]
    assert undisturbed["Restarts"] == "0"
    assert unlearned(finished) == unlearned(project)


def test_time_limit(cluster, slow, again):
    """A job that is told of its limit, or runs into it, writes its state; the next attempt goes on
    from there with twice the time and memory."""
    run = cluster.start(again, slow.config, *slow.runs)
    warned, late = (slow.training(cluster, again, run) for run in slow.runs)
    # limits are looked at every 30 seconds
    asked("scontrol", "update", f"JobId={warned['JobId']}", "EndTime=now+100")
    asked("scontrol", "update", f"JobId={late['JobId']}", "EndTime=now")
    slow.ended(cluster, again, warned, late)
    done = run.result()
    assert done.returncode == 0, done.stdout
    assert len(STOPPED.findall(done.stdout)) == 2, done.stdout
    resumed, ended = attempts(cluster.jobs(again))[:2], attempts(cluster.jobs(again))[2:]
    assert resumed == [("COMPLETED", "0", "4000M")] * 2
    # a job that has ended before SLURM looks at its limit again has FAILED
    assert {state for state, _, _ in ended} <= {"FAILED", "TIMEOUT"}
    assert [rest for _, *rest in ended] == [["0", "2000M"]] * 2
    assert [job["TimeLimit"] for job in cluster.jobs(again)[2:]] == ["02:00:00"] * 2
    slow.compare(again)


def test_preempted_and_requeued(cluster, slow, again):
    """Both write their state when they are told to go, queue under their own ids and go on."""
    run = cluster.start(again, slow.config, *slow.runs)
    preempted, requeued = (slow.training(cluster, again, run) for run in slow.runs)
    urgent = ("--partition", "urgent", "--nodelist", preempted["NodeList"], "--mem", "100")
    asked("sbatch", *urgent, "--chdir", "/tmp", "--output", "/dev/null", "--wrap", "true")
    asked("scontrol", "requeue", requeued["JobId"])
    slow.ended(cluster, again, preempted, requeued)
    for job in (preempted, requeued):
        cluster.pending_again(job)
    done = run.result()
    assert done.returncode == 0, done.stdout
    assert attempts(cluster.jobs(again)) == [("COMPLETED", "1", "2000M")] * 2
    slow.compare(again)


@pytest.mark.parametrize(
    ("commented", "line", "field", "words"),
    [
        ("gpu_model: MODEL", "gpu_model: fake", "TresPerJob", "gres:gpu:fake:1"),
        ("gres: gpu:MODEL", "gres: gpu:fake", "TresPerNode", "gres:gpu:fake:1"),
    ],
)
def test_names_of_gpus(cluster, empty, micro_with, commented, line, field, words):
    """The one line of the profile names the GPUs, the rule says how many; never asked for twice."""
    with edited_profile(empty, commented, line):
        done = cluster.run(empty, micro_with(resources={"gpus": 1}), PRETRAINED)
    assert done.returncode == 0, done.stdout
    (job,) = cluster.jobs(empty)
    assert job[field] == words
    assert ("TresPerJob" in job) + ("TresPerNode" in job) == 1
    assert "processes=1" in done.stdout


@pytest.mark.parametrize(
    ("commented", "line", "words"),
    [
        (
            "slurm_partition: PARTITION",
            "slurm_partition: nonesuch",
            "sbatch: error: invalid partition specified: nonesuch",
        ),
        (
            "slurm_account: ACCOUNT",
            "slurm_account: unpaid",
            "Invalid account or account/partition combination specified",
        ),
    ],
)
def test_refused(cluster, empty, commented, line, words):
    """What SLURM says of a wrong setting is shown with the rule and the words sent to sbatch."""
    with edited_profile(empty, commented, line):
        done = cluster.run(empty, MICRO, "--retries", "0")
    assert done.returncode == 1
    assert "Error in rule pretrain" in done.stdout
    assert words in done.stdout
    assert line.rpartition(" ")[2] in done.stdout.partition("sbatch call:")[2]
    assert cluster.jobs(empty) == []

"""Scenarios on a real slurmctld that take minutes each; the short ones are in tests/end_to_end."""

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from project import MICRO
from slurm_cluster import Cluster, query, running_cluster
from slurm_runs import STEPS, UNLEARNED, attempts, edited_profile, ended, slow_runs

METHODS = {"NPO+RT": "NPO+RT/beta=0.1/seed=1", "SimNPO+RT": "SimNPO+RT/default/seed=1"}
PRETRAINED = "results/micro/pretrain/model"
STOPPED = re.compile(rf"error: stopped by SIGTERM after step \d+ of {STEPS}; the state is in")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """The pretended cluster, for all scenarios."""
    with running_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="module")
def slow(project, micro_with, complete, tmp_path_factory):
    """Two runs as they are without a scheduler."""
    return slow_runs(
        project, micro_with, complete, tmp_path_factory.mktemp("slow") / "project", (1, 2)
    )


@pytest.fixture
def again(slow, tmp_path):
    """A copy of that project before these runs, in which they take long."""
    return slow.before(tmp_path / "project")


@pytest.fixture
def finished_copy(project, tmp_path):
    """A copy of the project after its local run, to be damaged."""
    return project.moved_to(tmp_path / "project")


@pytest.fixture
def empty(fresh, tmp_path):
    """A copy of the project before its first run."""
    return fresh.moved_to(tmp_path / "project")


@pytest.fixture
def config(micro_with):
    """The micro experiment, each cell in its job's own process."""
    return micro_with(resources={"cells_per_job": 1})


def results(project):
    """Everything that the report is made of, by path."""
    names = ("summary", "trajectory")
    paths = [path for name in names for path in project.world.rglob(f"{name}.json")]
    return {str(p.relative_to(project.world)): json.loads(p.read_text()) for p in paths}


def unlearned(project):
    """The trajectories of both methods."""
    return [json.loads((project.root / path).read_text()) for path in trajectories()]


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


def test_whole_experiment(cluster, project, empty, config):
    """From nothing to the report, with the values of the local run; no job of it asks for a GPU."""
    with edited_profile(empty, "gpu_model: MODEL", "gpu_model: fake"):
        done = cluster.run(empty, config)
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


def test_cancelled_job(cluster, project, finished_copy, config):
    """After scancel the next run does that job and what depends on it; work that was done stays."""
    shutil.rmtree(finished_copy.world / "report")
    shutil.rmtree(finished_copy.root / UNLEARNED / "NPO+RT")
    shutil.rmtree(finished_copy.root / UNLEARNED / METHODS["SimNPO+RT"] / "evaluate")
    run = cluster.start(finished_copy, config, "--retries", "0")
    query("scancel", cluster.running(finished_copy, "rule_unlearn")["JobId"])
    done = run.result()
    assert done.returncode == 1
    assert re.search(r"\bunlearn .* failed after", done.stdout)
    assert "CANCELLED" in done.stdout
    assert rules(cluster.jobs(finished_copy)) == ["evaluate", "unlearn"]
    done = cluster.run(finished_copy, config)
    assert done.returncode == 0, done.stdout
    assert rules(cluster.jobs(finished_copy)[2:]) == ["evaluate", "unlearn"]
    assert results(finished_copy) == results(project)


@pytest.mark.short
def test_node_goes_down(cluster, project, finished_copy, config):
    """Its job queues again and ends elsewhere; the job of the other node goes on."""
    shutil.rmtree(finished_copy.root / UNLEARNED)
    run = cluster.start(finished_copy, config, *trajectories())
    hit, spared = (cluster.running(finished_copy, f"_{name}_") for name in METHODS)
    query("scontrol", "update", f"NodeName={hit['NodeList']}", "State=DOWN", "Reason=test")
    cluster.pending_again(hit)
    done = run.result()
    query("scontrol", "update", f"NodeName={hit['NodeList']}", "State=RESUME")
    assert done.returncode == 0, done.stdout
    again, undisturbed = (job_of(cluster.jobs(finished_copy), name) for name in METHODS)
    assert (again["JobId"], again["Restarts"]) == (hit["JobId"], "1")
    assert again["NodeList"] == spared["NodeList"] == undisturbed["NodeList"]
    assert undisturbed["Restarts"] == "0"
    assert unlearned(finished_copy) == unlearned(project)


def test_time_limit(cluster, slow, again):
    """A job that is told of its limit, or runs into it, writes its state; the next attempt goes on
    from there with twice the time and memory."""
    run = cluster.start(again, slow.config, *slow.runs)
    warned, late = (slow.training(cluster, again, run) for run in slow.runs)
    # limits are looked at every 30 seconds
    query("scontrol", "update", f"JobId={warned['JobId']}", "EndTime=now+100")
    query("scontrol", "update", f"JobId={late['JobId']}", "EndTime=now")
    ended(cluster, again, warned, late)
    (again.root / "slow").unlink()
    done = run.result()
    assert done.returncode == 0, done.stdout
    assert len(STOPPED.findall(done.stdout)) == 2, done.stdout
    resumed, stopped = attempts(cluster.jobs(again))[:2], attempts(cluster.jobs(again))[2:]
    assert resumed == [("COMPLETED", "0", "4000M")] * 2
    # a job that has ended before SLURM looks at its limit again has FAILED
    assert {state for state, _, _ in stopped} <= {"FAILED", "TIMEOUT"}
    assert [rest for _, *rest in stopped] == [["0", "2000M"]] * 2
    assert [job["TimeLimit"] for job in cluster.jobs(again)[2:]] == ["02:00:00"] * 2
    slow.compare(again)


def test_preempted_and_requeued(cluster, slow, again):
    """Both write their state when they are told to go, queue under their own ids and go on."""
    run = cluster.start(again, slow.config, *slow.runs)
    preempted, requeued = (slow.training(cluster, again, run) for run in slow.runs)
    urgent = ("--partition", "urgent", "--nodelist", preempted["NodeList"], "--mem", "100")
    query("sbatch", *urgent, "--chdir", "/tmp", "--output", "/dev/null", "--wrap", "true")
    query("scontrol", "requeue", requeued["JobId"])
    ended(cluster, again, preempted, requeued)
    (again.root / "slow").unlink()
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
    (log,) = (empty.root / ".snakemake" / "log").glob("*.snakemake.log")
    resources = log.read_text(encoding="utf-8")
    assert "processes=1, " in resources


def test_an_account_that_slurm_refuses(cluster, empty):
    """SLURM's words are shown with the rule and the words sent to sbatch."""
    with edited_profile(empty, "slurm_account: ACCOUNT", "slurm_account: unpaid"):
        done = cluster.run(empty, MICRO, "--retries", "0")
    assert done.returncode == 1
    assert "pretrain failed after" in done.stdout
    assert "Invalid account or account/partition combination specified" in done.stdout
    assert "unpaid" in done.stdout.partition("sbatch call:")[2]
    assert cluster.jobs(empty) == []

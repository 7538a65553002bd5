"""The micro experiment through a real slurmctld; what happens to its jobs, happens on clusters."""

import json
import shutil

import pytest
from conftest import MICRO
from slurm.conftest import asked

PROFILE = "config/profiles/slurm/config.yaml"
METHODS = {"NPO+RT": "NPO+RT/beta=0.1/seed=1", "SimNPO+RT": "SimNPO+RT/default/seed=1"}
UNLEARNED = "results/micro/forget10/unlearn"
PRETRAINED = "results/micro/pretrain/model"


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


def test_time_limit_and_requeue(cluster, project, finished):
    """A job over its time starts anew with twice the time and memory, a requeued one as it was."""
    shutil.rmtree(finished.root / UNLEARNED)
    run = cluster.start(finished, MICRO, *trajectories())
    late, preempted = (cluster.running(finished, f"_{name}_") for name in METHODS)
    asked("scontrol", "requeue", preempted["JobId"])
    # limits are looked at every 30 seconds; a halted stage is still there by then
    asked("scancel", "--signal=STOP", late["JobId"])
    asked("scontrol", "update", f"JobId={late['JobId']}", "EndTime=now+1")
    cluster.pending_again(preempted)
    done = run.result()
    assert done.returncode == 0, done.stdout
    assert "SLURM status is: 'TIMEOUT'" in done.stdout
    states = [(j["JobState"], j["Restarts"], j["MinMemoryNode"]) for j in cluster.jobs(finished)]
    assert sorted(states) == [
        ("COMPLETED", "0", "4000M"),
        ("COMPLETED", "1", "2000M"),
        ("TIMEOUT", "0", "2000M"),
    ]
    assert cluster.jobs(finished)[-1]["TimeLimit"] == "02:00:00"
    assert unlearned(finished) == unlearned(project)


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

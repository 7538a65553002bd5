"""The shipped profile on a real slurmctld; what happens to its jobs, happens on clusters. Longer
scenarios are in tests/soak/test_slurm.py."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from slurm_cluster import Cluster, query, running_cluster, until
from slurm_runs import PROFILE, STEPS, UNLEARNED, attempts, edited_profile, ended, log, slow_runs
from unlearning.stages.doctor import scheduler

PRETRAINED = "results/micro/pretrain/model"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """The pretended cluster, for all scenarios."""
    with running_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def test_doctor_prints_the_partitions(cluster):
    """Both hold the two nodes; only the first is the default."""
    entries = scheduler()
    assert entries.pop("SLURM") == query("sinfo", "--version").strip()
    nodes = "up nodes=2 cpus=1 memory=8000MB gres=gpu:fake:2 limit=infinite"
    assert entries == {"partition main*": nodes, "partition urgent": nodes}


def test_a_run_that_slurm_interrupts_goes_on_from_its_state(
    cluster, project, micro_with, complete, tmp_path
):
    """Its first job is told that its time is nearly over; the next one, which asks for twice the
    time and memory, gives way to an urgent job and queues again. Results are those of the local
    run."""
    slow = slow_runs(project, micro_with, complete, tmp_path / "local", scales=(1,))
    copy = slow.before(tmp_path / "project")
    (run,) = slow.runs
    running = cluster.start(copy, slow.config, run)

    warned = slow.training(cluster, copy, run)
    query("scontrol", "update", f"JobId={warned['JobId']}", "EndTime=now+100")
    ended(cluster, copy, warned)  # limits are looked at every 30 seconds

    preempted = slow.training(cluster, copy, run)
    assert (warned["TimeLimit"], preempted["TimeLimit"]) == ("01:00:00", "02:00:00")
    (first,) = re.findall(r"resumed after step (\d+)", log(copy, run))
    urgent = ("--partition", "urgent", "--nodelist", preempted["NodeList"], "--mem", "100")
    query("sbatch", *urgent, "--chdir", "/tmp", "--output", "/dev/null", "--wrap", "true")
    ended(cluster, copy, preempted)
    (copy.root / "slow").unlink()
    cluster.pending_again(preempted)

    done = running.result()
    assert done.returncode == 0, done.stdout
    assert f"error: stopped by SIGTERM after step {first} of {STEPS}" in done.stdout
    expected = [("COMPLETED", "1", "4000M"), ("FAILED", "0", "2000M")]
    assert attempts(cluster.jobs(copy)) == expected
    (second,) = re.findall(r"resumed after step (\d+)", log(copy, run))
    assert int(second) > int(first)
    slow.compare(copy)


def test_a_failed_job(cluster, project, micro_with, tmp_path):
    """The job asked for what the rule and the profile say; its log is shown with the rule."""
    copy = project.moved_to(tmp_path / "project")
    shutil.rmtree(copy.root / PRETRAINED)
    (copy.world / "data" / "pretrain.json").write_text("[]")
    config = micro_with(resources={"gpus": 1, "cells_per_job": 1})
    with edited_profile(copy, "gres: gpu:MODEL", "gres: gpu:fake"):
        done = cluster.run(copy, config, PRETRAINED, "--retries", "0")
    assert done.returncode == 1
    assert "pretrain failed after" in done.stdout
    assert re.search(r"error: \S+/pretrain.json has another content than was written", done.stdout)
    (job,) = cluster.jobs(copy)
    assert attempts([job]) == [("FAILED", "0", "2000M")]
    assert (job["TresPerNode"], job["NumNodes"]) == ("gres:gpu:fake:1", "1")
    assert "TresPerJob" not in job  # the same GPU asked for twice


def test_a_cancelled_job_is_named_and_stays_cancelled(cluster, project, micro_with, tmp_path):
    """It waits in the queue, where its comment says rule and run; the profile's two retries are for
    jobs that failed."""
    copy = project.moved_to(tmp_path / "project")
    shutil.rmtree(copy.root / UNLEARNED / "NPO+RT")
    trajectory = f"{UNLEARNED}/NPO+RT/beta=0.1/seed=1/trajectory.json"
    with copy.edited(PROFILE, lambda text: text.replace("--signal=TERM@120", "--begin=now+1hour")):
        running = cluster.start(copy, micro_with(), trajectory)
        (job,) = until(lambda: cluster.jobs(copy))
        assert job["JobName"].startswith("unlearning_")
        assert job["Comment"] == "rule_unlearn_wildcards_forget10_NPO+RT_beta=0.1_1"
        query("scancel", job["JobId"])
        done = running.result()
    assert done.returncode == 1
    assert done.stdout.count("SLURM status is: 'CANCELLED'") == 1
    assert attempts(cluster.jobs(copy)) == [("CANCELLED", "0", "2000M")]


def test_names_that_the_site_does_not_know(cluster, fresh, micro_with, tmp_path):
    """All of them are refused before the first job, with the names that the site knows."""
    copy = fresh.moved_to(tmp_path / "project")
    wrong = {
        "slurm_partition: PARTITION": "slurm_partition: mian",
        "gpu_model: MODEL": "gpu_model: faek",
    }
    with ExitStack() as edits:
        for commented, line in wrong.items():
            edits.enter_context(edited_profile(copy, commented, line))
        config = copy.write(micro_with(resources={"gpus": 1}))
        done = copy.ask("--profile", "config/profiles/slurm", "--configfile", config)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    (partition, gpu) = re.findall(
        r"^- (?=slurm_partition|gpu_model)(.*)", done.stdout, re.MULTILINE
    )
    assert (
        "'mian'" in partition and "main, urgent" in partition and "Set slurm_partition" in partition
    )
    assert "'faek'" in gpu and "there are: fake" in gpu
    assert cluster.jobs(copy) == []

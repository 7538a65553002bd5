"""The shipped profile on a real slurmctld; what happens to its jobs, happens on clusters. Longer
scenarios are in tests/soak/test_slurm.py."""

import re
import shutil
from collections.abc import Iterator

import pytest
from project import MICRO
from slurm_cluster import Cluster, query, running_cluster
from slurm_runs import STEPS, attempts, edited_profile, ended, log, slow_runs
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


def test_a_run_that_slurm_interrupts_goes_on_from_its_state(cluster, project, micro_with, tmp_path):
    """Its first job is told that its time is nearly over; the next one, which asks for twice the
    time and memory, gives way to an urgent job and queues again. Results are those of the local
    run."""
    slow = slow_runs(project, micro_with, tmp_path / "local", scales=(1,))
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
    assert "Error in rule pretrain" in done.stdout
    assert re.search(r"error: \S+/pretrain.json has another content than was written", done.stdout)
    (job,) = cluster.jobs(copy)
    assert attempts([job]) == [("FAILED", "0", "2000M")]
    assert (job["TresPerNode"], job["NumNodes"]) == ("gres:gpu:fake:1", "1")
    assert "TresPerJob" not in job  # the same GPU asked for twice


def test_refused(cluster, fresh, tmp_path):
    """What SLURM says of a wrong setting is shown with the rule and the words sent to sbatch."""
    copy = fresh.moved_to(tmp_path / "project")
    with edited_profile(copy, "slurm_partition: PARTITION", "slurm_partition: nonesuch"):
        done = cluster.run(copy, MICRO, "--retries", "0")
    assert done.returncode == 1
    assert "Error in rule pretrain" in done.stdout
    assert "invalid partition specified: nonesuch" in done.stdout
    assert "nonesuch" in done.stdout.partition("sbatch call:")[2]
    assert cluster.jobs(copy) == []

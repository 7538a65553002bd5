"""Which GPUs a stage sees: its share of the machine's, or none."""

import os
import subprocess
import sys

import pytest
from folders import ROOT
from unlearning import devices
from unlearning.devices import VARIABLE, claim_gpus
from unlearning.errors import UserError


@pytest.fixture(autouse=True)
def no_claims(monkeypatch, tmp_path):
    """No stage of this machine counts, and none of this test's is left."""
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_LOCKS", [])
    for name in (VARIABLE, "ACCELERATE_USE_CPU", "LOCAL_RANK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    release()


def release(*positions):
    for descriptor in [devices._LOCKS[p] for p in positions] if positions else devices._LOCKS:
        os.close(descriptor)
    if not positions:
        devices._LOCKS.clear()


def claimed(monkeypatch, number, names="0,1,2"):
    """What a further stage sees that may use the GPUs `names`."""
    monkeypatch.setenv(VARIABLE, names)
    claim_gpus(number)
    return os.environ[VARIABLE]


def test_jobs_beside_each_other_spread_over_the_gpus(monkeypatch):
    assert [claimed(monkeypatch, 1) for _ in range(5)] == ["0", "1", "2", "0", "1"]


def test_a_job_of_several_takes_those_that_the_fewest_use(monkeypatch):
    assert claimed(monkeypatch, 1) == "0"
    assert claimed(monkeypatch, 2) == "1,2"
    assert claimed(monkeypatch, 2) == "0,1"
    assert claimed(monkeypatch, 3) == "0,1,2"


def test_an_ended_job_frees_its_gpu(monkeypatch):
    for _ in range(3):
        claimed(monkeypatch, 1)
    release(1)
    del devices._LOCKS[1]
    assert claimed(monkeypatch, 1) == "1"


def test_names_of_a_scheduler_stay(monkeypatch):
    assert claimed(monkeypatch, 1, "GPU-8f6d, MIG-1/0") == "GPU-8f6d"
    assert claimed(monkeypatch, 1, "GPU-8f6d, MIG-1/0") == "MIG-1/0"


def test_no_gpu_for_jobs_that_ask_for_none(monkeypatch):
    assert claimed(monkeypatch, 0) == ""
    assert os.environ["ACCELERATE_USE_CPU"] == "true"


def test_more_gpus_than_there_are(monkeypatch):
    with pytest.raises(UserError, match="resources.gpus: a job of 4 GPUs .* where 3 .*0,1,2"):
        claimed(monkeypatch, 4)


def test_names_after_minus_one_are_not_seen(monkeypatch):
    assert claimed(monkeypatch, 1, "2,-1,0") == "2"
    with pytest.raises(UserError, match="resources.gpus: .*1 or less"):
        claimed(monkeypatch, 2, "2,-1,0")
    assert claimed(monkeypatch, 1, "-1") == "-1"  # none, as "" says


def test_a_machine_without_gpus_stays_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVER_FILES", (tmp_path, "nvidia[0-9]*"))
    claim_gpus(4)
    assert VARIABLE not in os.environ
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    claim_gpus(1)
    assert os.environ[VARIABLE] == "0"
    monkeypatch.delenv(VARIABLE)
    claim_gpus(1)
    assert os.environ[VARIABLE] == "1"


def test_processes_of_one_stage_keep_what_it_claimed(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert claimed(monkeypatch, 1, "2,3") == "2,3"


def test_a_claim_lasts_when_accelerate_replaces_the_process(monkeypatch, tmp_path):
    replaced = "import os, sys; from unlearning.devices import claim_gpus; claim_gpus(2);"
    replaced += "os.execv(sys.executable, [sys.executable, '-c', 'print(flush=True); input()'])"
    environment = {**os.environ, VARIABLE: "0,1,2", "TMPDIR": str(tmp_path)}
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", replaced], env=environment, **pipes) as process:
        process.stdout.readline()
        assert claimed(monkeypatch, 1) == "2"
        process.communicate(b"\n")
    assert claimed(monkeypatch, 1) == "0"

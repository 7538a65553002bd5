"""Damage, a full disk, NaN: each ends in words that help, and the next run in the same results."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from kill_stages import results
from project import MICRO

UNLEARNED = "forget10/unlearn/NPO+RT/beta=0.1/seed=1"
TRAJECTORY = f"results/micro/{UNLEARNED}/trajectory.json"
NAN = """
steps = []

def loss(batch):
    steps.append(batch)
    return batch.forget.nll * (float("nan") if len(steps) > 3 else -1)
"""


@pytest.fixture
def copy(project, tmp_path):
    """The finished project, to be damaged."""
    return project.moved_to(tmp_path / "project")


def run(project, *arguments, config=MICRO):
    """Snakemake as the local profile runs it."""
    return project.snakemake(config, *arguments, "--profile", "config/profiles/local")


def refused(project, *targets) -> str:
    """What a run says that fails."""
    done = run(project, *targets)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


def cut(path):
    """Half a file, such as a copy that was cut off leaves."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_between_lines(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    "file, damage, missing, said, delete, target",
    [
        (
            *(f"{UNLEARNED}/model/model.safetensors", cut, f"{UNLEARNED}/evaluate"),
            *(r"has 49068 bytes, was written with 98136", f"{UNLEARNED}/model", None),
        ),
        (f"{UNLEARNED}/evaluate/rows.json", cut, "report", "is not valid JSON", None, None),
        (f"{UNLEARNED}/trajectory.json", cut, "report", "is not valid JSON", None, TRAJECTORY),
        (
            *("forget10/reference/forget.json", cut, UNLEARNED, "is not valid JSON", None),
            "results/micro/forget10/reference/forget.json",
        ),
        (
            *("data/forget10_perturbed.json", cut_between_lines, f"{UNLEARNED}/evaluate"),
            *("has another content than was written", "data", "results/micro/data"),
        ),
    ],
    ids=["model", "evaluation", "trajectory", "reference", "table"],
)
def test_a_damaged_file_is_named_and_made_again(
    project, copy, file, damage, missing, said, delete, target
):
    """missing: what is to be made from the file. delete: what the message says to delete, where
    that is not the file alone. target: what is made again here of all that depends on it."""
    for folder in {"report", missing}:
        shutil.rmtree(copy.world / folder)
    damage(copy.world / file)
    told = refused(copy)
    advice = f"delete the folder results/micro/{delete}" if delete else "delete it"
    assert f"error: results/micro/{file} {said}" in told
    assert f"{advice} and run again" in told
    if delete:
        shutil.rmtree(copy.world / delete)
    else:
        (copy.world / file).unlink()
    done = run(copy, *([target] if target else []))
    assert done.returncode == 0, done.stdout
    found, expected = results(copy), results(project)
    assert found[file] == expected[file]
    if target is None:
        assert found == expected


def test_a_full_disk(project, copy, micro_with):
    """Training goes on without states, the model is refused; nothing half-written stays."""
    shutil.rmtree(copy.world / "report")
    shutil.rmtree(copy.world / UNLEARNED)
    config = copy.write(micro_with(resources={"checkpoint_minutes": 0}))
    snakemake = f"snakemake {TRAJECTORY} --profile config/profiles/local --configfile {config}"
    done = copy.call("bash", "-c", f"ulimit -f 64; {snakemake}")  # KiB; the model has 96
    assert done.returncode == 1
    words = "cannot be written (File too large): make room or a place that can be written to"
    assert f"error: results/micro/{UNLEARNED}/model {words}" in done.stdout, done.stdout
    assert "training goes on without a new state" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list(copy.world.rglob(".*.partial"))
    assert not (copy.world / UNLEARNED / "model").exists()
    assert not list((copy.world / "state").rglob("step=*"))
    done = run(copy, config=config)
    assert done.returncode == 0, done.stdout
    assert results(copy) == results(project)


def test_results_that_cannot_be_written_to(copy):
    """The run ends before its first job, and says so of the folder."""
    shutil.rmtree(copy.world / UNLEARNED)
    locked = ["mount", "--bind", copy.world, copy.world], ["umount", copy.world]
    if os.geteuid() != 0:
        locked = ["chmod", "a-w", copy.world], ["chmod", "u+w", copy.world]
    elif subprocess.run(locked[0], capture_output=True).returncode != 0:
        pytest.skip("root may write anywhere, and this machine lets it mount nothing read-only")
    else:
        subprocess.run(["mount", "-o", "remount,ro,bind", copy.world], check=True)
    try:
        told = refused(copy)
    finally:
        subprocess.run(locked[1], check=True)
    assert f"results: cannot write to 'results' ({copy.world}: " in told
    assert "Set results to a folder that you may write to" in told


def test_a_loss_that_becomes_nan_is_a_result(copy, micro_with):
    """The run ends as collapsed before the weights are touched; the experiment goes on."""
    (copy.root / "mine.py").write_text(NAN)
    done = run(copy, config=micro_with(methods={"mine": {"function": "mine.py:loss", "epochs": 6}}))
    assert done.returncode == 0, done.stdout
    folder = copy.world / "forget10" / "unlearn" / "mine" / "epochs=6" / "seed=1"
    record = json.loads((folder / "trajectory.json").read_text())
    assert record["collapsed"] == {"step": 3, "reason": "loss nan, gradient norm nan"}
    assert record["losses"][3:] == [None] and None not in record["losses"][:3]
    assert (folder / "evaluate" / "rows.json").exists()
    with (copy.world / "report" / "tables" / "main.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "mine"]
    assert rows and all(row["collapsed"] == "1" for row in rows)
    assert not list((copy.world / "state").rglob("step=*"))


def test_states_that_are_damaged_or_of_other_settings(project, copy, micro_with):
    """The log says what is passed over; results are those of runs without any state."""
    longer = micro_with(resources={"checkpoint_minutes": 0}, unlearn={"epochs": 100})
    state = copy.world / "state" / UNLEARNED
    shutil.rmtree(copy.world / UNLEARNED)
    command = ["snakemake", TRAJECTORY, "--cores", "1", "--configfile", copy.write(longer)]
    done = copy.call(*command)
    assert done.returncode == 0, done.stdout
    undisturbed = results(copy)
    shutil.rmtree(copy.world / UNLEARNED)
    stop_when(lambda: len(list(state.glob("step=*"))) == 2, copy, command)
    other = shutil.copytree(state, copy.root / "other")
    steps = sorted(int(path.name[5:]) for path in state.glob("step=*"))
    cut(state / f"step={steps[-1]}" / "weights.safetensors")
    done = run(copy, TRAJECTORY, config=longer)
    assert done.returncode == 0, done.stdout
    log = copy.world / "logs" / f"{UNLEARNED.replace('forget10/unlearn', 'unlearn/forget10')}.log"
    relative = state.relative_to(copy.root)
    said = "is damaged: weights.safetensors has another checksum: passed over"
    assert f"{relative}/step={steps[-1]} {said}" in log.read_text()
    assert f"resumed after step {steps[0]} from {relative}/step={steps[0]}" in log.read_text()
    assert results(copy) == undisturbed
    shutil.copytree(other, state)
    done = run(copy)  # with the settings of before
    assert done.returncode == 0, done.stdout
    for step in steps:
        said = "is of a run with other settings, inputs or code: passed over"
        assert f"{relative}/step={step} {said}" in log.read_text()
    assert results(copy) == results(project)


def stop_when(condition, project, command) -> None:
    """Start Snakemake; SIGKILL it and all its jobs once the condition holds."""
    places = {"cwd": project.root, "env": project.environment, "start_new_session": True}
    running = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, **places)
    while not condition():
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert project.call(*command, "--unlock").returncode == 0

"""Kills, damage, a full disk, NaN: each ends in words that help, and the next run in the same
results. Random kills are in tests/soak."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess

import psutil
import pytest
from hold import PATIENCE, held_process, holding, state_of_step, until
from kill_stages import results
from warm import shared_worker

SPLIT = "forget10"
RUNS = {"NPO": "unlearn/NPO+RT/beta=0.1/seed=1", "SimNPO": "unlearn/SimNPO+RT/default/seed=1"}
UNLEARNED = f"{SPLIT}/{RUNS['NPO']}"
TRAJECTORY = f"results/micro/{UNLEARNED}/trajectory.json"
LOCAL = ("--profile", "config/profiles/local")
OTHER_SETTINGS = "is of a run with other settings, inputs or code: passed over"
NAN = """
steps = []

def loss(batch):
    steps.append(batch)
    # three calls check the function before the first step
    return batch.forget.nll * (float("nan") if len(steps) > 6 else -1)
"""


@pytest.fixture(scope="module", autouse=True)
def worker(project, tmp_path_factory):
    """Runs every stage here but those of a test that says otherwise."""
    with shared_worker(tmp_path_factory.mktemp("worker")) as workers:
        yield workers


@pytest.fixture(scope="module")
def config(micro_with):
    """The micro experiment with a state after each step."""
    return micro_with(resources={"checkpoint_minutes": 0, "cells_per_job": 1})


@pytest.fixture
def copy(project, tmp_path):
    """The finished project, to be damaged."""
    return project.moved_to(tmp_path / "project")


def refused(project, config, *targets) -> str:
    """Output of a run that fails."""
    done = project.ask_snakemake(config, *targets, *LOCAL)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


def completed(project, config, *targets) -> None:
    """A run that must succeed."""
    done = project.ask_snakemake(config, *targets, *LOCAL)
    assert done.returncode == 0, done.stdout


def log(project, run) -> str:
    """Log of a stage's last job."""
    return (project.world / "logs" / f"{run}.log").read_text()


@pytest.fixture
def start_held():
    """Starts Snakemake; returns it, and the id of the stage's process that stops at a file that
    matches a pattern."""
    started = []

    def start(project, config, pattern) -> tuple[subprocess.Popen, int]:
        command = ["snakemake", "--cores", "2", *LOCAL, "--configfile", project.write(config)]
        with (project.root / "snakemake.log").open("w") as output:
            running = subprocess.Popen(
                command,
                cwd=project.root,
                env=holding(project.environment, pattern),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        started.append(running)
        return running, held_process(project.root)

    yield start
    for running in started:
        if running.poll() is None:  # the test failed
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def cut(path):
    """Half a file, such as a copy that was cut off leaves."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def states(project, run):
    """Names of the states of a run, oldest first."""
    folders = (project.world / "state" / run).glob("step=*")
    return sorted((folder.name for folder in folders), key=lambda name: int(name[5:]))


def test_kills_on_the_way_change_no_result(project, fresh, worker, config, start_held, tmp_path):
    """One kill of each kind in one experiment, and a damaged state: results are those of an
    undisturbed run, and what was trained is not trained again."""
    copy = fresh.moved_to(tmp_path / "project")

    # a training stage, outright, while it writes a state
    running, stage = start_held(copy, config, state_of_step(5))
    os.kill(stage, signal.SIGKILL)
    assert running.wait(PATIENCE) == 1
    assert states(copy, "pretrain") == ["step=3", "step=4"]
    cut(copy.world / "state" / "pretrain" / "step=4" / "weights.safetensors")

    # a training stage that is asked to stop: it ends with the state of its next step
    running, stage = start_held(copy, config, r"finetune/seed=42/" + state_of_step(3))
    os.kill(stage, signal.SIGTERM)
    assert running.wait(PATIENCE) == 1
    damaged = "is damaged: weights.safetensors has another checksum: passed over"
    assert f"results/micro/state/pretrain/step=4 {damaged}" in log(copy, "pretrain/base")
    assert "resumed after step 3 from" in log(copy, "pretrain/base")
    assert "stopped by SIGTERM after step 4 of 5" in log(copy, "finetune/seed=42")
    assert states(copy, "finetune/seed=42")[-1] == "step=4"

    # the worker, and with it its children; the settings of its cells change after that
    changed = {**config, "unlearn": {**config["unlearn"], "lr": 2.0e-3}}
    running, stage = start_held(copy, changed, r"/NPO\+RT/.*" + state_of_step(2))
    worker.workers()[0].kill()
    assert running.wait(PATIENCE) == 1
    assert "resumed after step 4 from" in log(copy, "finetune/seed=42")
    output = (copy.root / "snakemake.log").read_text()
    assert "the worker was killed, and the stage with it" in output
    assert states(copy, UNLEARNED) == ["step=1"]

    # an evaluation that has its values and has written none
    evaluation = re.escape(f"{SPLIT}/{RUNS['SimNPO']}/evaluate/.")
    running, stage = start_held(copy, config, f"{evaluation}rows.json")
    os.kill(stage, signal.SIGKILL)
    assert running.wait(PATIENCE) == 1
    passed_over = f"results/micro/state/{UNLEARNED}/step=1 {OTHER_SETTINGS}"
    assert passed_over in log(copy, f"unlearn/{SPLIT}/{RUNS['NPO'].removeprefix('unlearn/')}")

    # Snakemake with all its processes, when an evaluation has written the first of its two files
    running, stage = start_held(copy, config, f"{evaluation}summary.json")
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait(PATIENCE) == -signal.SIGKILL
    until(lambda: not psutil.pid_exists(stage))
    assert (copy.world / SPLIT / RUNS["SimNPO"] / "evaluate" / "rows.json").exists()
    assert any((copy.root / ".snakemake" / "locks").iterdir())
    completed(copy, config, "--unlock")

    completed(copy, config)
    assert results(copy) == results(project)
    assert not list((copy.world / "state").rglob("step=*"))


def test_damaged_files_are_named_and_made_again(project, copy, config):
    """Each message says what to delete; then the results are those of the undamaged run."""
    model, reference = f"{SPLIT}/retrain/seed=1/model", f"{SPLIT}/reference/forget.json"
    table = copy.world / "data" / f"{SPLIT}_perturbed.json"
    undamaged = table.read_text()

    # one run: an evaluation meets the model, NPO the reference, SimNPO the table
    shutil.rmtree(copy.world / "report")
    shutil.rmtree(copy.world / SPLIT / "retrain" / "seed=1" / "evaluate")
    cut(copy.world / model / "model.safetensors")
    cut(copy.world / reference)
    table.write_text("".join(undamaged.splitlines(keepends=True)[:-1]))
    output = refused(copy, config)
    sizes = r"has \d+ bytes, was written with \d+"
    assert_named(output, f"{model}/model.safetensors", sizes, model)
    assert_named(output, reference, "is not valid JSON", None)
    assert_named(output, f"data/{table.name}", "has another content than was written", "data")
    table.write_text(undamaged)  # without its folder, everything would be made anew
    shutil.rmtree(copy.world / model)
    (copy.world / reference).unlink()

    # the report meets an evaluation, then a trajectory
    for file in (f"{SPLIT}/retrain/seed=2/evaluate/rows.json", f"{UNLEARNED}/trajectory.json"):
        cut(copy.world / file)
        assert_named(refused(copy, config), file, "is not valid JSON", None)
        (copy.world / file).unlink()

    completed(copy, config)
    assert results(copy) == results(project)


def assert_named(output, file, problem, folder):
    """The output names a damaged file and what to delete: a folder, or the file alone."""
    advice = f"delete the folder results/micro/{re.escape(folder)}" if folder else "delete it"
    file = re.escape(f"results/micro/{file}")
    assert re.search(rf"error: {file} {problem}.*{advice} and run again", output), output


def test_a_full_disk(project, copy, config):
    """Training goes on without states, the model is refused; nothing half-written stays."""
    shutil.rmtree(copy.world / UNLEARNED)
    snakemake = f"snakemake {TRAJECTORY} {' '.join(LOCAL)} --configfile {copy.write(config)}"
    # a worker would have no such limit; KiB: the model has 96
    done = copy.call("env", "--unset=UNLEARNING_WORKER", "bash", "-c", f"ulimit -f 64; {snakemake}")
    assert done.returncode == 1
    words = "cannot be written (File too large): make room or a place that can be written to"
    assert f"error: results/micro/{UNLEARNED}/model {words}" in done.stdout, done.stdout
    assert "training goes on without a new state" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list(copy.world.rglob(".*.partial"))
    assert not (copy.world / UNLEARNED / "model").exists()
    assert not list((copy.world / "state").rglob("step=*"))
    completed(copy, config, f"results/micro/{UNLEARNED}/evaluate/rows.json")
    assert results(copy) == results(project)


def test_results_that_cannot_be_written_to(copy, config):
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
        output = refused(copy, config)
    finally:
        subprocess.run(locked[1], check=True)
    assert f"results: cannot write to 'results' ({copy.world}: " in output
    assert "Set results to a folder that you may write to" in output


def test_a_loss_that_becomes_nan_is_a_result(copy, config):
    """The run ends as collapsed before the weights are touched; the experiment goes on."""
    (copy.root / "mine.py").write_text(NAN)
    own = {**config["methods"], "mine": {"function": "mine.py:loss", "epochs": 6}}
    completed(copy, {**config, "methods": own})
    folder = copy.world / SPLIT / "unlearn" / "mine" / "epochs=6" / "seed=1"
    record = json.loads((folder / "trajectory.json").read_text())
    assert record["collapsed"] == {"step": 3, "reason": "loss nan, gradient norm nan"}
    assert record["losses"][3:] == [None] and None not in record["losses"][:3]
    assert (folder / "evaluate" / "rows.json").exists()
    with (copy.world / "report" / "tables" / "main.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "mine"]
    assert rows and all(row["collapsed"] == "1" for row in rows)
    assert not list((copy.world / "state").rglob("step=*"))

"""A stage in a worker's child is the stage: bytes, exit codes, signals; and who dies with whom."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from folders import ROOT
from hold import PATIENCE, held_process, holding, state_of_step, until
from project import micro
from unlearning.config.experiment import load_experiment
from unlearning.worker import WORKER_VARIABLE, run_in_worker
from warm import Warm, warm

PYTHON = (sys.executable, "-m", "unlearning")


@dataclass
class Cell:
    """A pre-training run of eight steps that writes a state after each."""

    folder: Path
    words: list[str]
    environment: dict[str, str]

    def start(self, workers: Warm | str | None = None, held: str = "") -> subprocess.Popen:
        """Start it. held: pattern of the file at which it stops."""
        self.folder.mkdir(exist_ok=True)
        words = [*self.words, "--out", self.folder / "model", "--state", self.folder / "state"]
        environment = self.environment | ({WORKER_VARIABLE: str(workers)} if workers else {})
        with self.log.open("w") as log:
            return subprocess.Popen(
                [*PYTHON, *map(str, words)],
                cwd=self.folder,
                env=holding(environment, held),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_training(
        self, workers: Warm | None = None
    ) -> tuple[subprocess.Popen, psutil.Process]:
        """Start it; the client, and the process that trains, which has written two states."""
        client = self.start(workers, state_of_step(3))
        return client, psutil.Process(held_process(self.folder))

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def weights(self) -> bytes:
        return (self.folder / "model/model.safetensors").read_bytes()


@pytest.fixture(scope="module", autouse=True)
def interruptible():
    """What a shell runs in the background ignores SIGINT, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def make_workers(tmp_path_factory):
    """Makes a folder for workers of so many cells."""
    folders = []

    def make(cells: int) -> Warm:
        folders.append(warm(tmp_path_factory.mktemp("workers"), cells))
        return folders[-1]

    yield make
    for workers in folders:
        workers.end()


@pytest.fixture(scope="module")
def workers(make_workers):
    """One worker for all tests that do it no harm."""
    return make_workers(100)


@pytest.fixture(scope="module")
def make_cell(tmp_path_factory):
    """Makes a cell of the micro world with a folder of its own."""
    experiment = load_experiment(micro(), ROOT)
    changes = {"PYTHONPATH": str(ROOT / "workflow"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    changes |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    environment = {**os.environ, **changes}
    data = tmp_path_factory.mktemp("world") / "data"
    settings = json.dumps(experiment.config["data"])
    words = ["data", "--splits", "forget10", "--settings", settings, "--out", str(data)]
    subprocess.run([*PYTHON, *words], env=environment, check=True)

    def make(data=data) -> Cell:
        words = ["--processes", "0", "pretrain", "--data", data, "--checkpoint-minutes", "0"]
        words += ["--settings", json.dumps(experiment.pretrain_settings())]
        words += ["--fit", json.dumps(experiment.fit("pretrain"))]
        return Cell(tmp_path_factory.mktemp("cell"), words, environment)

    return make


@pytest.fixture(scope="module")
def plain(make_cell) -> Cell:
    """The cell in a process of its own, at its end."""
    cell = make_cell()
    assert cell.start().wait(PATIENCE) == 0, cell.log.read_text()
    return cell


def test_the_same_bytes_and_log(workers, make_cell, plain):
    cell = make_cell()
    assert cell.start(workers).wait(PATIENCE) == 0, cell.log.read_text()
    assert cell.weights == plain.weights
    first, *_, last = cell.log.read_text().splitlines()
    assert first == plain.log.read_text().splitlines()[0]
    assert last.startswith("peak memory: ")


def test_exit_codes_and_messages(workers, make_cell, tmp_path):
    cell = make_cell(data=tmp_path / "none")
    codes = [cell.start(workers).wait(PATIENCE), cell.start().wait(PATIENCE)]
    assert codes == [1, 1]
    assert "error: " in cell.log.read_text()
    cell.words.append("--nonsense")
    assert cell.start(workers).wait(PATIENCE) == 2
    assert "unrecognized arguments: --nonsense" in cell.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda n: n.name)
def test_a_warned_stage_writes_its_state(workers, make_cell, plain, number):
    cell = make_cell()
    client, _ = cell.start_training(workers)
    client.send_signal(number)
    assert client.wait(PATIENCE) == 1
    assert f"error: stopped by {number.name} after step 4 of 8" in cell.log.read_text()
    assert cell.start(workers).wait(PATIENCE) == 0
    assert "resumed after step 4" in cell.log.read_text()
    assert cell.weights == plain.weights


def test_an_interrupt_ends_the_stage(workers, make_cell):
    cell = make_cell()
    client, _ = cell.start_training(workers)
    client.send_signal(signal.SIGINT)
    assert client.wait(PATIENCE) not in (0, None)  # 1 or -SIGINT, by what torch has imported
    assert "KeyboardInterrupt" in cell.log.read_text()


def test_a_killed_client_takes_its_stage_along(workers, make_cell):
    client, stage = make_cell().start_training(workers)
    client.kill()
    client.wait(PATIENCE)
    until(lambda: not stage.is_running())


def test_a_killed_stage_shows_as_killed(workers, make_cell, plain):
    cell = make_cell()
    client, stage = cell.start_training(workers)
    stage.kill()
    assert client.wait(PATIENCE) == -signal.SIGKILL
    assert cell.start(workers).wait(PATIENCE) == 0
    assert "resumed after step 2" in cell.log.read_text()
    assert cell.weights == plain.weights


def test_a_killed_worker_takes_its_stages_along_and_is_replaced(make_workers, make_cell, plain):
    workers, cell = make_workers(100), make_cell()
    client, stage = cell.start_training(workers)
    workers.workers()[0].kill()
    assert client.wait(PATIENCE) == -signal.SIGKILL
    assert "the worker was killed" in cell.log.read_text()
    until(lambda: not stage.is_running())
    assert cell.start(workers).wait(PATIENCE) == 0
    assert len(workers.workers()) == 1
    assert cell.weights == plain.weights


def test_without_a_worker_the_stage_runs_by_itself(make_workers, make_cell, plain):
    """The folder is not there; then, Snakemake is not, for which a worker ends at once."""
    workers, cell = make_workers(100), make_cell()
    workers.end()
    for address in ("/nowhere:1:100", workers):
        assert cell.start(address).wait(PATIENCE) == 0
        assert "the stage runs in a process of its own" in cell.log.read_text()
        assert cell.weights == plain.weights


def test_a_worker_takes_so_many_cells_and_ends_with_its_snakemake(
    make_workers, make_cell, tmp_path
):
    """What runs goes on to its end, as it would without a worker."""
    workers, cell = make_workers(1), make_cell()
    assert make_cell(data=tmp_path / "none").start(workers).wait(PATIENCE) == 1
    until(lambda: not workers.workers())
    client, stage = cell.start_training(workers)
    assert len(workers.workers()) == 1
    workers.snakemake.kill()  # and not waited for: a zombie has ended, too
    stage.send_signal(signal.SIGUSR2)  # it has been held for long enough
    assert client.wait(PATIENCE) == 0
    until(lambda: not workers.workers() and not workers.folder.exists())


def test_several_processes_pass_the_worker_by(monkeypatch):
    monkeypatch.setenv(WORKER_VARIABLE, "/nowhere:1:100")
    assert run_in_worker(["--processes", "2", "unlearn"]) is None
    assert WORKER_VARIABLE not in os.environ  # nor do these processes ask

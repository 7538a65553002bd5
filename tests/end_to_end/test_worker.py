"""A stage in a worker's child is the stage: bytes, exit codes, signals; and who dies with whom."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from folders import ROOT
from project import merged, micro
from unlearning.config.experiment import load_experiment
from unlearning.worker import ASKED, through_worker

PYTHON = (sys.executable, "-m", "unlearning")
PATIENCE = 120  # seconds until what must happen has happened, on a busy machine
SNAKEMAKE = (sys.executable, "-c", "import time; time.sleep(3600)")  # all that a worker sees of it


@dataclass
class Cell:
    """A pre-training run of some seconds that writes a state after each step."""

    folder: Path
    words: list[str]
    environment: dict[str, str]

    def start(self, asked: str | None = None, **changes) -> subprocess.Popen:
        """Start it; asked: what rules/common.smk exports."""
        self.folder.mkdir(exist_ok=True)
        words = [*self.words, "--out", self.folder / "model", "--state", self.folder / "state"]
        environment = self.environment | ({ASKED: asked} if asked else {}) | changes
        with self.log.open("w") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return subprocess.Popen([*PYTHON, *map(str, words)], env=environment, **streams)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def weights(self) -> bytes:
        return (self.folder / "model/model.safetensors").read_bytes()

    def trains(self) -> bool:
        return any((self.folder / "state").glob("step=*"))


def until(true) -> None:
    """Wait for what must become true."""
    end = time.time() + PATIENCE
    while not true():
        assert time.time() < end, "waited in vain"
        time.sleep(0.02)


@dataclass
class Asked:
    """A folder for workers, and a process that stands for Snakemake."""

    folder: Path
    snakemake: subprocess.Popen
    cells: int

    def __str__(self) -> str:
        return f"{self.folder}:{self.snakemake.pid}:{self.cells}"

    def workers(self) -> list[psutil.Process]:
        """The workers themselves, without their children."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words[1:4] == ["-m", "unlearning.worker", str(self.folder)]:
                found.append(process)
        ids = {process.pid for process in found}
        return [process for process in found if process.ppid() not in ids]

    def child(self) -> psutil.Process:
        (worker,) = self.workers()
        (child,) = worker.children()
        return child


@pytest.fixture(scope="module", autouse=True)
def interruptible():
    """What a shell runs in the background ignores SIGINT, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Makes an Asked with room for so many cells."""
    made = []

    def make(cells: int) -> Asked:
        made.append(subprocess.Popen(SNAKEMAKE))
        return Asked(tmp_path_factory.mktemp("workers"), made[-1], cells)

    yield make
    for process in made:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def asked(ask):
    """One worker for all tests that do it no harm."""
    return ask(100)


@pytest.fixture(scope="module")
def make_cell(tmp_path_factory):
    """Makes a cell of the micro world with a folder of its own."""
    experiment = load_experiment(merged(micro(), {"pretrain": {"epochs": 24}}), ROOT)
    own = {"PYTHONPATH": str(ROOT / "workflow"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    own |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    environment = {**os.environ, **own}
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
    assert cell.start().wait() == 0, cell.log.read_text()
    return cell


def test_the_same_bytes_and_log(asked, make_cell, plain):
    cell = make_cell()
    assert cell.start(str(asked)).wait() == 0, cell.log.read_text()
    assert cell.weights == plain.weights
    first, *_, last = cell.log.read_text().splitlines()
    assert first == plain.log.read_text().splitlines()[0]
    assert last.startswith("peak memory: ")


def test_exit_codes_and_messages(asked, make_cell, tmp_path):
    cell = make_cell(data=tmp_path / "none")
    codes = [cell.start(to).wait() for to in (None, str(asked))]
    assert codes == [1, 1]
    assert "error: " in cell.log.read_text()
    cell.words.append("--nonsense")
    assert cell.start(str(asked)).wait() == 2
    assert "unrecognized arguments: --nonsense" in cell.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda n: n.name)
def test_a_warned_stage_writes_its_state(asked, make_cell, plain, number):
    cell = make_cell()
    client = cell.start(str(asked))
    until(cell.trains)
    client.send_signal(number)
    assert client.wait() == 1
    assert f"error: stopped by {number.name} after step" in cell.log.read_text()
    assert cell.start(str(asked)).wait() == 0
    assert "resumed after step" in cell.log.read_text()
    assert cell.weights == plain.weights


def test_an_interrupt_ends_the_stage(asked, make_cell):
    codes = set()
    for place in (None, str(asked)):
        cell = make_cell()
        client = cell.start(place)
        until(cell.trains)
        client.send_signal(signal.SIGINT)
        codes.add(client.wait())
        assert "KeyboardInterrupt" in cell.log.read_text()
    assert len(codes) == 1


def test_a_killed_client_takes_its_stage_along(asked, make_cell):
    cell = make_cell()
    client = cell.start(str(asked))
    until(cell.trains)
    child = asked.child()
    client.kill()
    client.wait()
    until(lambda: not child.is_running())


def test_a_killed_stage_shows_as_killed(asked, make_cell):
    cell = make_cell()
    client = cell.start(str(asked))
    until(cell.trains)
    asked.child().kill()
    assert client.wait() == -signal.SIGKILL


def test_a_killed_worker_takes_its_stages_along_and_is_replaced(ask, make_cell, plain):
    asked, cell = ask(100), make_cell()
    client = cell.start(str(asked))
    until(cell.trains)
    child = asked.child()
    asked.workers()[0].kill()
    assert client.wait() == -signal.SIGKILL
    assert "the worker was killed" in cell.log.read_text()
    until(lambda: not child.is_running())
    assert cell.start(str(asked)).wait() == 0
    assert len(asked.workers()) == 1
    assert cell.weights == plain.weights


def test_without_a_worker_the_stage_runs_by_itself(ask, make_cell, plain):
    """The folder is not there; then, Snakemake is not, for which a worker ends at once."""
    asked, cell = ask(100), make_cell()
    asked.snakemake.kill()
    asked.snakemake.wait()
    for place in ("/nowhere:1:100", str(asked)):
        assert cell.start(place).wait() == 0
        assert "the stage runs in a process of its own" in cell.log.read_text()
        assert cell.weights == plain.weights


def test_a_worker_takes_so_many_cells_and_ends_with_its_snakemake(ask, make_cell, tmp_path):
    """What runs goes on to its end, as it would without a worker."""
    asked, failing, cell = ask(1), make_cell(data=tmp_path / "none"), make_cell()
    assert failing.start(str(asked)).wait() == 1
    until(lambda: not asked.workers())
    client = cell.start(str(asked))
    until(cell.trains)
    assert len(asked.workers()) == 1
    asked.snakemake.kill()
    asked.snakemake.wait()
    assert client.wait() == 0
    until(lambda: not asked.workers() and not asked.folder.exists())


def test_several_processes_pass_the_worker_by(monkeypatch):
    monkeypatch.setenv(ASKED, "/nowhere:1:100")
    assert through_worker(["--processes", "2", "unlearn"]) is None
    assert ASKED not in os.environ  # nor do these processes ask

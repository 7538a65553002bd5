"""Kill random processes of a small experiment at random moments; its results must not change.

    python tests/soak/kill_stages.py --kills 200

Runs the micro experiment once undisturbed. Then runs it again and again while SIGKILL or SIGTERM
hits its `python -m unlearning` processes, and SIGKILL every fifth Snakemake. Starts Snakemake anew
after each failure, after `--unlock` where it was killed itself, and compares all results byte for
byte. Prints what was hit, as JSON.
"""

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from project import Project, copied, micro
from unlearning.__main__ import STAGES
from unlearning.config.reading import merged

LONGER = {  # more steps, so that kills meet training and not only the loading of libraries
    "pretrain": {"epochs": 20},
    "finetune": {"epochs": 20},
    "retrain": {"seeds": [1]},
    "unlearn": {"epochs": 100},
    "relearn": {"epochs": 60},
}
TIMED_FOLDERS = ("logs", "benchmarks")  # hold times, as do the pages that show them
TIMED_FILES = (".snakemake_timestamp", "index.html", "cost.csv", "cost.md", "cost.tex")
# svg2pdf orders a file's objects by a hash that differs between processes; the SVG is compared
UNORDERED = ".pdf"
SNAKEMAKE = ("snakemake", "--cores", "2", "--rerun-incomplete", "--keep-going")
SNAKEMAKE_KILL_EVERY = 5  # runs of Snakemake: the first of so many is killed itself
SPARED_SHARE = 0.4  # of processes, which no signal hits, so that experiments end


def results(project: Project) -> dict[str, bytes]:
    """Path -> content of all that is compared."""
    contents = {}
    for path in project.world.rglob("*"):
        name = str(path.relative_to(project.world))
        timed = name.startswith(TIMED_FOLDERS) or path.name in TIMED_FILES
        if path.is_file() and not timed and path.suffix != UNORDERED:
            contents[name] = path.read_bytes()
    return contents


@dataclass
class Stage:
    """A process of a stage and the moment at which it is hit: `seconds` after it was first seen,
    or after it was first seen to have written a state."""

    process: psutil.Process
    name: str
    seconds: float
    state: Path | None
    before: set[Path]
    began: float | None

    def due(self) -> bool:
        """The moment has come. A stage that ends before is not hit."""
        if self.began is None and set(self.state.glob("step=*")) - self.before:
            self.began = time.time()
        return self.began is not None and time.time() >= self.began + self.seconds


def scheduled_stage(process: psutil.Process, words: list[str], project: Project, rng) -> Stage:
    """A stage that has just started, and when it is to be hit."""
    name = next(word for word in words[3:] if word in STAGES)
    state = project.root / words[words.index("--state") + 1] if "--state" in words else None
    waits = state is not None and rng.random() < 0.7
    seconds = rng.uniform(0, 2 if waits else 7)
    if rng.random() < SPARED_SHARE:
        seconds = float("inf")
    before = set(state.glob("step=*")) if state else set()
    return Stage(process, name, seconds, state, before, None if waits else time.time())


def descendants(running: subprocess.Popen) -> list[psutil.Process]:
    """The processes that Snakemake has started and theirs, if it still runs."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(running.pid).children(recursive=True)
    return []


def running_stages(snakemake: subprocess.Popen, project: Project, stages: dict, rng) -> list[Stage]:
    """The stages that run under Snakemake; new ones are added to `stages`, process id -> stage."""
    alive = []
    for process in descendants(snakemake):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[1:3] == ["-m", "unlearning"] and process.pid not in stages:
            stages[process.pid] = scheduled_stage(process, words, project, rng)
        if process.pid in stages:
            alive.append(stages[process.pid])
    return alive


def kill_stage(stage: Stage, rng: random.Random) -> str | None:
    """Kill a stage; returns which and how."""
    number = rng.choice([signal.SIGKILL, signal.SIGTERM])
    stage.seconds = float("inf")  # once is enough
    try:
        stage.process.send_signal(number)
    except psutil.NoSuchProcess:
        return None
    return f"{stage.name} {number.name}"


def kill_snakemake(running: subprocess.Popen, rng: random.Random) -> None:
    """SIGKILL to Snakemake, and to its jobs or not; those that it leaves behind come to an end."""
    processes = descendants(running)
    running.kill()
    if rng.random() < 0.5:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    _, alive = psutil.wait_procs(processes, timeout=300)
    assert not alive, alive


class Experiment:
    """The runs of Snakemake that one experiment takes, and what hit them."""

    def __init__(self, project: Project, rng: random.Random, kills: int):
        self.project, self.rng, self.kills_left = project, rng, kills
        self.tally: Counter = Counter()
        # a state after every step, or none: the results are to be the same
        resources = {"checkpoint_minutes": 0 if kills else 1000}
        # each stage in a process of its own, or in a worker's child: likewise
        resources["cells_per_job"] = rng.choice([1, 5]) if kills else 1
        self.config = merged(merged(micro(), LONGER), {"resources": resources})
        self.log = project.root / "snakemake.log"

    def run_to_the_end(self) -> Counter:
        """Run while at most `kills` processes are hit; returns what was hit, how many runs of
        Snakemake there were, and how many runs of a stage went on from a state."""
        while True:
            before = self.kills_left
            code = self.run_once()
            for path in (self.project.world / "logs").rglob("*.log"):
                self.tally["resumed"] += path.read_text().count("resumed after step")
                path.unlink()
            print(f"exit code {code}: {as_json(self.tally)}", flush=True)
            if code == 0:
                return self.tally
            if self.kills_left == before:
                raise RuntimeError(f"failed without a kill:\n{self.log.read_text()}")

    def run_once(self) -> int:
        """Snakemake, as one calls it again after a failure; its exit code."""
        kills_snakemake = self.kills_left > 0 and self.tally["runs"] % SNAKEMAKE_KILL_EVERY == 0
        end = time.time() + self.rng.uniform(3, 25) if kills_snakemake else float("inf")
        self.tally["runs"] += 1
        stages: dict[int, Stage] = {}
        with self.log.open("w") as file:
            running = self.snakemake(file)
            while running.poll() is None:
                time.sleep(0.1)
                if self.kills_left and time.time() >= end:
                    kill_snakemake(running, self.rng)
                    if running.wait() == -signal.SIGKILL:
                        self.count("snakemake SIGKILL")
                        self.unlock()
                elif self.kills_left and running.poll() is None:
                    alive = running_stages(running, self.project, stages, self.rng)
                    due = [stage for stage in alive if stage.due()]
                    event = kill_stage(due[0], self.rng) if due else None
                    if event:
                        self.count(event)
        return running.returncode

    def snakemake(self, file) -> subprocess.Popen:
        config = self.project.write(self.config)
        options = {"cwd": self.project.root, "env": self.project.environment}
        command = [*SNAKEMAKE, "--configfile", config]
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)

    def count(self, event: str) -> None:
        self.kills_left -= 1
        self.tally[event] += 1

    def unlock(self) -> None:
        """What the next run would ask for."""
        config = self.project.write(self.config)
        done = self.project.call(*SNAKEMAKE, "--unlock", "--configfile", config)
        assert done.returncode == 0, done.stdout


def as_json(tally: Counter) -> str:
    """The tally as JSON."""
    return json.dumps(dict(sorted(tally.items())))


def kill(kills: int, seed: int, folder: Path) -> Counter:
    """Hit `kills` processes in as many experiments as that takes; AssertionError where results
    differ from the undisturbed ones or a state stays."""
    rng = random.Random(seed)
    undisturbed, disturbed = (copied(folder / name) for name in ("undisturbed", "disturbed"))
    Experiment(undisturbed, rng, 0).run_to_the_end()
    expected = results(undisturbed)
    total: Counter = Counter(files=len(expected))
    while total["kills"] < kills:
        shutil.rmtree(disturbed.root / "results", ignore_errors=True)
        tally = Experiment(disturbed, rng, kills - total["kills"]).run_to_the_end()
        hits = sum(count for name, count in tally.items() if re.search(" SIG", name))
        total += tally + Counter(kills=hits, experiments=1)
        print(as_json(total), flush=True)
        disturbed_results = results(disturbed)
        paths = expected | disturbed_results
        changed = [path for path in paths if expected.get(path) != disturbed_results.get(path)]
        assert not changed, f"results that differ: {changed}"
    return total


def main() -> None:
    """Print the tally after each experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill(arguments.kills, arguments.seed, Path(folder))
    print(f"{tally['files']} files are the same after every experiment")


if __name__ == "__main__":
    main()

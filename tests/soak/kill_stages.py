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
TOLD = ("logs", "benchmarks")  # times are in them, and in the pages that show them
TIMED = (".snakemake_timestamp", "index.html", "cost.csv", "cost.md", "cost.tex")
# svg2pdf orders a file's objects by a hash that differs between processes; the SVG is compared
UNORDERED = ".pdf"
SNAKEMAKE = ("snakemake", "--cores", "2", "--rerun-incomplete", "--keep-going")
EVERY = 5  # so many runs of Snakemake, the first of them is killed itself
SPARED = 0.4  # the share of processes that nothing hits, so that experiments end


def results(project: Project) -> dict[str, bytes]:
    """Path -> content of all that is compared."""
    found = [path for path in project.world.rglob("*") if path.is_file()]
    named = {str(path.relative_to(project.world)): path for path in found}
    return {
        name: path.read_bytes()
        for name, path in named.items()
        if not name.startswith(TOLD) and path.name not in TIMED and path.suffix != UNORDERED
    }


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


def seen(process: psutil.Process, words: list[str], project: Project, rng) -> Stage:
    """A stage that has just started, and when it is to be hit."""
    name = next(word for word in words[3:] if word in STAGES)
    state = project.root / words[words.index("--state") + 1] if "--state" in words else None
    waits = state is not None and rng.random() < 0.7
    seconds = rng.uniform(0, 2 if waits else 7)
    if rng.random() < SPARED:
        seconds = float("inf")
    before = set(state.glob("step=*")) if state else set()
    return Stage(process, name, seconds, state, before, None if waits else time.time())


def below(running: subprocess.Popen) -> list[psutil.Process]:
    """The processes that Snakemake has started and theirs, if it still runs."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(running.pid).children(recursive=True)
    return []


def found_stages(snakemake: subprocess.Popen, project: Project, known: dict, rng) -> list[Stage]:
    """The stages that run under Snakemake; new ones are noted in `known` by their ids."""
    alive = []
    for process in below(snakemake):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[1:3] == ["-m", "unlearning"] and process.pid not in known:
            known[process.pid] = seen(process, words, project, rng)
        if process.pid in known:
            alive.append(known[process.pid])
    return alive


def hit(stage: Stage, rng: random.Random) -> str | None:
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
    left = below(running)
    running.kill()
    if rng.random() < 0.5:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    _, alive = psutil.wait_procs(left, timeout=300)
    assert not alive, alive


class Experiment:
    """The runs of Snakemake that one experiment takes, and what hit them."""

    def __init__(self, project: Project, rng: random.Random, kills: int):
        self.project, self.rng, self.left = project, rng, kills
        self.counted: Counter = Counter()
        # a state after every step, or none: the results are to be the same
        often = {"checkpoint_minutes": 0 if kills else 1000}
        # each stage in a process of its own, or in a worker's child: likewise
        often["cells_per_job"] = rng.choice([1, 5]) if kills else 1
        self.config = merged(merged(micro(), LONGER), {"resources": often})
        self.log = project.root / "snakemake.log"

    def run_to_the_end(self) -> Counter:
        """Run while at most `kills` processes are hit; returns what was hit, how many runs of
        Snakemake there were, and how many runs of a stage went on from a state."""
        while True:
            before = self.left
            code = self.run_once()
            for path in (self.project.world / "logs").rglob("*.log"):
                self.counted["resumed"] += path.read_text().count("resumed after step")
                path.unlink()
            print(f"exit code {code}: {told_of(self.counted)}", flush=True)
            if code == 0:
                return self.counted
            if self.left == before:
                raise RuntimeError(f"failed without a kill:\n{self.log.read_text()}")

    def run_once(self) -> int:
        """Snakemake, as one calls it again after a failure; its exit code."""
        itself = self.left > 0 and self.counted["runs"] % EVERY == 0
        end = time.time() + self.rng.uniform(3, 25) if itself else float("inf")
        self.counted["runs"] += 1
        known: dict[int, Stage] = {}
        with self.log.open("w") as file:
            running = self.snakemake(file)
            while running.poll() is None:
                time.sleep(0.1)
                if self.left and time.time() >= end:
                    kill_snakemake(running, self.rng)
                    if running.wait() == -signal.SIGKILL:
                        self.count("snakemake SIGKILL")
                        self.unlock()
                elif self.left and running.poll() is None:
                    alive = found_stages(running, self.project, known, self.rng)
                    due = [stage for stage in alive if stage.due()]
                    told = hit(due[0], self.rng) if due else None
                    if told:
                        self.count(told)
        return running.returncode

    def snakemake(self, file) -> subprocess.Popen:
        config = self.project.write(self.config)
        places = {"cwd": self.project.root, "env": self.project.environment}
        command = [*SNAKEMAKE, "--configfile", config]
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **places)

    def count(self, told: str) -> None:
        self.left -= 1
        self.counted[told] += 1

    def unlock(self) -> None:
        """What the next run would ask for."""
        config = self.project.write(self.config)
        done = self.project.call(*SNAKEMAKE, "--unlock", "--configfile", config)
        assert done.returncode == 0, done.stdout


def told_of(counted: Counter) -> str:
    """The tally as JSON."""
    return json.dumps(dict(sorted(counted.items())))


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
        told = Experiment(disturbed, rng, kills - total["kills"]).run_to_the_end()
        hits = sum(count for name, count in told.items() if re.search(" SIG", name))
        total += told + Counter(kills=hits, experiments=1)
        print(told_of(total), flush=True)
        found = results(disturbed)
        other = [path for path in expected | found if expected.get(path) != found.get(path)]
        assert not other, f"other results: {other}"
    return total


def main() -> None:
    """Print the tally after each experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counted = kill(asked.kills, asked.seed, Path(folder))
    print(f"{counted['files']} files are the same after every experiment")


if __name__ == "__main__":
    main()

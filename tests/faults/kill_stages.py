"""Kill random stages of a small experiment at random moments; its results must not change.

    python tests/faults/kill_stages.py --kills 30

Runs the micro experiment once undisturbed. Then runs it again and again while SIGKILL or SIGTERM
hits one of its `python -m unlearning` processes, starts Snakemake anew after each failure, and
compares every model, evaluation and trajectory byte for byte. Prints what was hit, as JSON.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import Project, copied, merged, micro

COMPARED = ("model.safetensors", "rows.json", "summary.json", "trajectory.json")
LONGER = {  # more steps, so that kills meet training and not only the loading of libraries
    "resources": {"checkpoint_minutes": 0},
    "pretrain": {"epochs": 10},
    "finetune": {"epochs": 40},
    "unlearn": {"epochs": 60},
    "relearn": {"epochs": 10},
}


def results(project: Project) -> dict[str, bytes]:
    """Path -> content of all that is compared."""
    found = (path for path in project.world.rglob("*") if path.name in COMPARED)
    return {str(path.relative_to(project.world)): path.read_bytes() for path in found}


def stages(snakemake: subprocess.Popen) -> list[tuple[psutil.Process, str]]:
    """(process, name of its stage) of the stages that run under Snakemake."""
    found = []
    for process in psutil.Process(snakemake.pid).children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[1:3] == ["-m", "unlearning"]:
            found.append((process, words[5]))
    return found


def start(project: Project, log: IO[str]) -> subprocess.Popen:
    """Snakemake, as one calls it again after a failure."""
    command = ["snakemake", "--cores", "2", "--rerun-incomplete", "--keep-going"]
    return subprocess.Popen(
        [*command, "--configfile", project.write(merged(micro(), LONGER))],
        cwd=project.root,
        env=project.environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def hit(snakemake: subprocess.Popen, rng: random.Random) -> str | None:
    """Kill one of the stages that run, now and then; returns which and how."""
    alive = stages(snakemake)
    if not alive or rng.random() > 0.4:  # so that kills spread over the whole experiment
        return None
    process, stage = rng.choice(alive)
    number = rng.choice([signal.SIGKILL, signal.SIGTERM])
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return None
    return f"{stage} {number.name}"


def run_to_the_end(project: Project, rng: random.Random, kills: int) -> Counter:
    """Run the experiment while at most `kills` stages are hit; returns what was hit, and how many
    runs of a stage said that they went on from a state."""
    counted: Counter = Counter()
    log = project.root / "snakemake.log"
    while True:
        hits = 0
        with log.open("w") as file:
            running = start(project, file)
            while running.poll() is None:
                time.sleep(rng.uniform(0, 5))
                told = hit(running, rng) if kills and running.poll() is None else None
                if told:
                    counted[told] += 1
                    kills, hits = kills - 1, hits + 1
        for path in (project.world / "logs").rglob("*.log"):
            counted["resumed"] += path.read_text().count("resumed after step")
            path.unlink()
        if running.returncode == 0:
            return counted
        if not hits:
            sys.exit(f"failed without a kill:\n{log.read_text()}")


def main() -> int:
    """0 if every disturbed run ended in the undisturbed results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    counted: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = copied(Path(folder) / "undisturbed")
        run_to_the_end(undisturbed, rng, 0)
        expected = results(undisturbed)
        disturbed = copied(Path(folder) / "disturbed")
        while (left := asked.kills - counted["kills"]) > 0:
            shutil.rmtree(disturbed.root / "results", ignore_errors=True)
            told = run_to_the_end(disturbed, rng, left)
            counted += told
            counted["kills"] += told.total() - told["resumed"]
            counted["experiments"] += 1
            found = results(disturbed)
            other = [path for path in expected | found if expected.get(path) != found.get(path)]
            states = list(disturbed.world.glob("state/**/step=*"))
            print(json.dumps(dict(sorted(counted.items()))), flush=True)
            if other or states:
                print(f"other results: {other}; states that stayed: {states}")
                return 1
    print(f"{len(expected)} files are the same after every experiment")
    return 0


if __name__ == "__main__":
    sys.exit(main())

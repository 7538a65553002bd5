"""What Snakemake and imports cost beside the work itself, as a Markdown table.

    snakemake --cores 2     # the results of config/config.yaml: then a run has nothing to do
    python benchmarks/dag.py --json dag.json

The best of so many runs. A cell's overhead is that of `evaluate --help`: start, imports, end.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from unlearning.worker import WORKER_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
CELLS = {"beta": 50, "seeds": 20}  # a thousand runs to unlearn, and as many to evaluate
SNAKEMAKE = (str(Path(sys.executable).with_name("snakemake")), "--cores", "1")
MODULES = ["torch", "unlearning.worker"]
MODULES += [f"unlearning.stages.{s}" for s in ("data", "report", "finetune", "unlearn", "evaluate")]


@dataclass
class Taken:
    """Seconds of a command, each the best of its runs. cpu: of all processes that it waited for."""

    wall: float = float("inf")
    cpu: float = float("inf")


def taken(command: Iterable, runs: int, expected: str = "", **environment) -> Taken:
    """What a command takes; AssertionError unless it succeeds and says `expected`."""
    best = Taken()
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0 and expected in done.stdout, done.stdout
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = Taken(min(best.wall, wall), min(best.cpu, cpu))
    return best


def thousand_cells(folder: Path) -> Path:
    """An experiment of a thousand cells, of which nothing has run."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config |= {"experiment": "dag", "results": str(folder / "results")}
    config["methods"] = {"NPO+RT": {"beta": [n / 100 for n in range(1, CELLS["beta"] + 1)]}}
    config["unlearn"]["seeds"] = list(range(CELLS["seeds"]))
    config["relearn"]["methods"] = []
    path = folder / "dag.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def of_snakemake(config: Path, runs: int) -> dict[str, Taken]:
    """Row -> Snakemake without a job."""
    with tempfile.TemporaryDirectory() as folder:
        thousand = thousand_cells(Path(folder))
        dry = [*SNAKEMAKE, "--dry-run", "--quiet", "--configfile", thousand]
        return {
            "parse": taken([*SNAKEMAKE, "--list-rules", "--configfile", config], runs),
            "dry run of 1,000 cells": taken(dry, runs),
            "run with nothing to do": taken(
                [*SNAKEMAKE, "--configfile", config], runs, "Nothing to be done"
            ),
        }


def of_imports(runs: int) -> dict[str, Taken]:
    """Row -> a Python that imports a module and ends."""
    return {name: taken([sys.executable, "-c", f"import {name}"], runs) for name in MODULES}


def of_cells(runs: int) -> tuple[Taken, Taken]:
    """Seconds of a cell that does nothing: in a process of its own, and in a worker's child."""
    nothing = [sys.executable, "-m", "unlearning", "evaluate", "--help"]
    with tempfile.TemporaryDirectory(prefix="unlearning-") as folder:
        asked = {WORKER_VARIABLE: f"{folder}:{os.getpid()}:1000000", "OMP_NUM_THREADS": "1"}
        taken(nothing, 1, **asked)  # starts the worker
        return taken(nothing, runs), taken(nothing, runs, **asked)


def main() -> None:
    """Print the table; write the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    snakemake, imports = of_snakemake(asked.config, asked.runs), of_imports(asked.runs)
    alone, warm = of_cells(asked.runs)
    print("| Snakemake | seconds | of them CPU |\n|---|---|---|")
    for name, one in snakemake.items():
        print(f"| {name} | {one.wall:.1f} | {one.cpu:.1f} |")
    print("\n| import | seconds | of them CPU | to torch |\n|---|---|---|---|")
    for name, one in imports.items():
        ratio = one.cpu / imports["torch"].cpu
        print(f"| {name} | {one.wall:.2f} | {one.cpu:.2f} | {ratio:.2f} |")
    print("\n| a cell that does nothing | seconds | ratio |\n|---|---|---|")
    print(f"| in a process of its own | {alone.wall:.2f} | 1 |")
    print(f"| in a worker's child | {warm.wall:.2f} | {warm.wall / alone.wall:.2f} |")
    if asked.json:
        cell = {"alone": alone, "warm": warm}
        parts = {"snakemake": snakemake, "imports": imports, "cell": cell}
        found = {part: {k: asdict(v) for k, v in rows.items()} for part, rows in parts.items()}
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

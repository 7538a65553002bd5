"""What Snakemake and imports cost beside the work itself, as a Markdown table.

    snakemake --cores 2     # the results of config/config.yaml: then a run has nothing to do
    python benchmarks/dag.py --json dag.json

The best of so many runs. A cell's overhead is that of `evaluate --help`: start, imports, end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import yaml
from unlearning.worker import ASKED, STAGES

ROOT = Path(__file__).resolve().parents[1]
CELLS = {"beta": 50, "seeds": 20}  # a thousand runs to unlearn, and as many to evaluate
SNAKEMAKE = (str(Path(sys.executable).with_name("snakemake")), "--cores", "1")
# without torch: the tools, and the stages that no worker runs
OTHERS = ("data", "report", "plan", "score")


def seconds(command: Iterable, runs: int, expected: str = "", **environment) -> float:
    """Wall seconds of a command, the best of `runs`; AssertionError unless it says `expected`."""
    best = float("inf")
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        best = min(best, time.perf_counter() - began)
        assert done.returncode == 0 and expected in done.stdout, done.stdout
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


def of_snakemake(config: Path, runs: int) -> dict[str, float]:
    """Row -> seconds: Snakemake without a job."""
    with tempfile.TemporaryDirectory() as folder:
        thousand = thousand_cells(Path(folder))
        dry = [*SNAKEMAKE, "--dry-run", "--quiet", "--configfile", thousand]
        return {
            "parse": seconds([*SNAKEMAKE, "--list-rules", "--configfile", config], runs),
            "dry run of 1,000 cells": seconds(dry, runs),
            "run with nothing to do": seconds(
                [*SNAKEMAKE, "--configfile", config], runs, "Nothing to be done"
            ),
        }


def of_imports(runs: int) -> dict[str, float]:
    """Row -> seconds: a Python that imports a module and ends."""
    modules = ["torch", "unlearning.worker"]
    modules += [f"unlearning.stages.{stage}" for stage in (*OTHERS, *STAGES)]
    return {name: seconds([sys.executable, "-c", f"import {name}"], runs) for name in modules}


def of_cells(runs: int) -> tuple[float, float]:
    """Seconds of a cell that does nothing: in a process of its own, and in a worker's child."""
    nothing = [sys.executable, "-m", "unlearning", "evaluate", "--help"]
    with tempfile.TemporaryDirectory(prefix="unlearning-") as folder:
        asked = {ASKED: f"{folder}:{os.getpid()}:1000000", "OMP_NUM_THREADS": "1"}
        seconds(nothing, 1, **asked)  # starts the worker
        return seconds(nothing, runs), seconds(nothing, runs, **asked)


def main() -> None:
    """Print the table; write the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    snakemake, imports = of_snakemake(asked.config, asked.runs), of_imports(asked.runs)
    alone, warm = of_cells(asked.runs)
    print("| Snakemake | seconds |\n|---|---|")
    for name, taken in snakemake.items():
        print(f"| {name} | {taken:.1f} |")
    print("\n| import | seconds | to torch |\n|---|---|---|")
    for name, taken in imports.items():
        print(f"| {name} | {taken:.2f} | {taken / imports['torch']:.2f} |")
    print("\n| a cell that does nothing | seconds | ratio |\n|---|---|---|")
    print(f"| in a process of its own | {alone:.2f} | 1 |")
    print(f"| in a worker's child | {warm:.2f} | {alone / warm:.1f} times less |")
    if asked.json:
        found = {"snakemake": snakemake, "imports": imports, "cell": {"alone": alone, "warm": warm}}
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How far weights and metrics of several processes are from those of one, as a Markdown table.

    python benchmarks/processes.py

The cases are those of tests/end_to_end/test_processes.py, on the CPU.
"""

import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[1] / "tests" / "support")]

from process_cases import (
    CASES,
    MICRO_BATCHES,
    SHARDINGS,
    SPECIAL,
    difference,
    started,
)


def main() -> None:
    """Print the table."""
    print("| processes | sharding | run | weights | metrics |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        several = started(Path(folder), dict.fromkeys((1, 2, 4), CASES))
        one = several[1]
        for processes, found in several.items():
            for sharding in SHARDINGS[:processes]:
                for name in MICRO_BATCHES:
                    row(processes, sharding, name, found, one, "micro-batch 16")
                for name in SPECIAL if processes > 1 else ():
                    row(processes, sharding, name, found, one, name)


def row(processes: int, sharding: str, name: str, found: tuple, one: tuple, other: str) -> None:
    """Print one case beside `other` on one process."""
    weights, metrics = difference(found, f"{name}, {sharding}", one, f"{other}, replicate")
    print(f"| {processes} | {sharding} | {name} | {weights:.1e} | {metrics:.1e} |", flush=True)


if __name__ == "__main__":
    main()

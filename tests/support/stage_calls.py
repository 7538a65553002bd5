"""Stages one after the other under several processes, forked from one that has torch loaded.

    python tests/support/stage_calls.py CALLS.json 2

A start of two processes costs seconds, so that one start runs all stages that are compared with
those of one process. CALLS.json holds the arguments of each. Each process writes how many there are
to a file beside it that is named after its number.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

from processes import fork_processes
from unlearning.__main__ import main
from unlearning.training.session import make_accelerator


def all_calls(path: Path) -> None:
    """Run the stages; the first that fails ends them all."""
    accelerator = make_accelerator({"precision": "float32"})
    count = path.with_name(f"process-{accelerator.process_index}")
    count.write_text(str(accelerator.num_processes), encoding="utf-8")
    for words in json.loads(path.read_text(encoding="utf-8")):
        if main(words) != 0:
            sys.exit(f"stage failed: {' '.join(words)}")


if __name__ == "__main__":
    calls = Path(sys.argv[1])
    fork_processes(int(sys.argv[2]), calls.with_suffix(".store"), all_calls, calls)

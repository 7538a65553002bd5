"""Stages one after the other under however many processes this is started with.

    torchrun --standalone --nproc_per_node 2 tests/support/stage_calls.py CALLS.json

A start of two processes costs seconds, so that one start runs all stages that are compared with
those of one process. CALLS.json holds the arguments of each. Each process writes how many there are
to a file beside it that is named after its number.
"""

import json
import sys
from pathlib import Path

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
    all_calls(Path(sys.argv[1]))

"""Predicted and measured peak memory of training steps, case by case, as a Markdown table.

    python benchmarks/memory_cases.py                  # 15 to 25 M parameters on the CPU, minutes
    python benchmarks/memory_cases.py --device cuda    # 1 B and 7 B, on a GPU of 80 GB or more
    python benchmarks/memory_cases.py --device cuda --cases 6 11    # the 7 B ones alone

Each case runs in a process of its own (benchmarks/memory.py).
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

SMALL = {"layers": 6, "width": 512, "heads": 8, "feed_forward": 1408, "vocabulary": 8192}
WIDE = {"layers": 4, "width": 320, "heads": 5, "feed_forward": 864, "vocabulary": 32768}
ONE = {"layers": 16, "width": 2048, "heads": 32, "feed_forward": 8192, "vocabulary": 128256}
SEVEN = {"layers": 32, "width": 4096, "heads": 32, "feed_forward": 11008, "vocabulary": 32000}
HALF = {"precision": "bfloat16"}
RECOMPUTED = {"gradient_checkpointing": True}
LORA = {"lora": {"rank": 8, "alpha": 32, "modules": "all-linear", "adapter": "merge"}}
PAGED = {"optimizer": "paged_adamw_32bit"}
CASES = {
    "cpu": [
        {**SMALL, **options}
        for options in (
            {},
            {"tokens": 256, "micro_batch": 4},
            {"tokens": 256, "micro_batch": 4, **RECOMPUTED},
            {"tokens": 256, "method": "NPO+KL"},
            {"tokens": 64, "micro_batch": 1, "passes": 1},
            HALF,
            {**HALF, **RECOMPUTED, "micro_batch": 3},
            {"precision": "pure-bfloat16"},
            {"tokens": 64, "optimizer": "adamw8bit"},
            LORA,
            {**LORA, **RECOMPUTED, "tokens": 256, "micro_batch": 4},
            {**LORA, **HALF},
            {**LORA, **HALF, "tokens": 256, "micro_batch": 4},
            {**WIDE, "micro_batch": 4},
            {**WIDE, "tokens": 96, "method": "NPO+KL"},
            {**WIDE, "tokens": 96, "method": "NPO-MUSE+RT"},
            {**WIDE, "tokens": 96, "method": "PDU+RT"},
        )
    ],
    "cuda": [
        {**ONE, **HALF, "tokens": 160},
        {**ONE, **HALF, "tokens": 160, "micro_batch": 8, **RECOMPUTED},
        {**ONE, **HALF, "tokens": 160, "method": "NPO+KL"},
        {**ONE, **HALF, "tokens": 160, "optimizer": "adamw8bit"},
        {**ONE, **HALF, "tokens": 160, **PAGED},
        {**ONE, **HALF, "tokens": 160, **LORA},
        {**SEVEN, **HALF, "tokens": 160, "micro_batch": 1, "optimizer": "adamw8bit"},
        {**SEVEN, **HALF, "tokens": 160, "micro_batch": 4, "optimizer": "adamw8bit", **RECOMPUTED},
        {**SEVEN, **HALF, "tokens": 160, "micro_batch": 1, **PAGED},
        {**SEVEN, **HALF, "tokens": 160, "micro_batch": 4, **PAGED, **RECOMPUTED},
        {**SEVEN, **HALF, "tokens": 160, "micro_batch": 4, **LORA},
    ],
}


def measure(cases: list[dict], device: str) -> list[dict]:
    """Measured bytes and predicted bytes by part, for each of the cases, in one process."""
    script = Path(__file__).with_name("memory.py")
    command = [sys.executable, str(script), *map(json.dumps, cases), "--device", device]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{cases}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=CASES, default="cpu")
    parser.add_argument(
        "--cases",
        type=int,
        nargs=2,
        default=(0, None),
        help="first case, and the one after the last",
    )
    args = parser.parse_args()
    device = args.device
    print("| width x layers | options | predicted MiB | measured MiB | ratio |")
    print("|---|---|---|---|---|")
    for case in CASES[device][slice(*args.cases)]:
        (found,) = measure([case], device)
        predicted, measured = found["predicted"]["total"], found["measured"]
        options = [f"{k}={v}" for k, v in case.items() if k not in SMALL]
        print(
            f"| {case['width']} x {case['layers']} | {', '.join(options) or 'defaults'} "
            f"| {predicted / 2**20:.0f} | {measured / 2**20:.0f} | {predicted / measured:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

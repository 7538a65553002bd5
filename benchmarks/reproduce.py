"""Where the time of `make reproduce` goes, by stage, as a Markdown table.

    make reproduce
    python benchmarks/reproduce.py --results results/mini --json reproduce.json

Seconds are those that Snakemake measured of each job; several ran at once.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from unlearning.reporting.cost import costs_in


def main() -> None:
    """Print the table; write the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/mini"), help="of a world")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    costs = costs_in([asked.results / "benchmarks"], {})
    jobs, total = sum(c.jobs for c in costs), sum(c.total_seconds for c in costs)
    print("| stage | jobs | seconds | median | share |\n|---|---|---|---|---|")
    for c in costs:
        share = c.total_seconds / total
        told = f"{c.total_seconds:.0f} | {c.median_seconds:.1f} | {share:.0%}"
        print(f"| {c.rule} | {c.jobs} | {told} |")
    print(f"| all | {jobs} | {total:.0f} | | |")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(c) for c in costs], indent=1) + "\n")


if __name__ == "__main__":
    main()

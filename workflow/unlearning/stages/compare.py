"""Say what changed between two reports: numbers beyond their spread first."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.errors import UserError
from unlearning.reporting.difference import BEYOND, SAME, SINGLE, WITHIN, Differences, differences
from unlearning.reporting.labels import metric_text, scientific


def add_arguments(parser: ArgumentParser) -> None:
    """Two folders and what to show of them."""
    parser.add_argument("first", type=Path, help="folder of a report")
    parser.add_argument("second", type=Path, help="folder of the report to compare with it")
    parser.add_argument("--metric", action="append", help="only this metric; several times")
    parser.add_argument("--most", type=int, default=40, help="lines to show (default: %(default)s)")
    parser.add_argument("--csv", type=Path, help="file for every number, also the unchanged ones")


def run(args: Namespace) -> None:
    """Compare and print."""
    found = differences(args.first, args.second)
    for metric in args.metric or []:
        known = sorted(found.numbers["metric"].unique())
        if metric not in known:
            raise UserError(f"--metric {metric}: neither has it. Both have: {', '.join(known)}")
    if args.metric:
        chosen = found.numbers["metric"].isin(args.metric)
        found = Differences(found.numbers[chosen], found.verdicts, found.only)
    if args.csv:
        found.numbers.to_csv(args.csv, index=False, lineterminator="\n")
    print(text(found, args.most))


def text(found: Differences, most: int) -> str:
    """For people."""
    kinds = found.numbers["kind"].value_counts()
    count = {kind: int(kinds.get(kind, 0)) for kind in (BEYOND, SINGLE, WITHIN, SAME)}
    lines = [
        f"{len(found.numbers)} numbers that both have: {count[BEYOND]} differ beyond the spread of "
        f"their seeds or draws (Welch's t-test, p < 0.05; one in twenty does by chance), "
        f"{count[SINGLE]} single values differ, {count[WITHIN]} differ within their spread, "
        f"{count[SAME]} are equal"
    ]
    changed = found.numbers[found.numbers["kind"].isin([BEYOND, SINGLE])]
    for row in changed.head(most).itertuples():
        values = [metric_text(row.metric, value) for value in (row.first, row.second)]
        seeds = f"n {row.n_first}, {row.n_second}"
        p = "one seed" if row.kind == SINGLE else f"p {scientific(row.p)}"
        where = f"{row.split}  {row.label}  {row.metric}"
        lines.append(f"  {where}: {values[0]} → {values[1]} ({seeds}, {p})")
    if len(changed) > most:
        lines.append(f"  … {len(changed) - most} more: --most, or --csv for all")
    for name, (before, after) in found.verdicts.items():
        lines.append(f"claim {name}: {before} → {after}")
    for name, labels in zip(("first", "second"), found.only, strict=True):
        if labels:
            lines.append(f"only in the {name}: {'; '.join(labels)}")
    return "\n".join(lines)

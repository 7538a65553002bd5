"""Print what changed between two reports: numbers beyond their spread first."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.errors import UserError
from unlearning.reporting.difference import BEYOND, SAME, SINGLE, WITHIN, Differences, differences
from unlearning.reporting.labels import metric_text, scientific


def add_arguments(parser: ArgumentParser) -> None:
    """The folders of two reports, and which numbers to print."""
    parser.add_argument("first", type=Path, help="folder of a report")
    parser.add_argument("second", type=Path, help="folder of the report to compare with it")
    parser.add_argument("--metric", action="append", help="only this metric; several times")
    parser.add_argument("--most", type=int, default=40, help="lines to show (default: %(default)s)")
    parser.add_argument("--csv", type=Path, help="file for every number, also the unchanged ones")


def run(args: Namespace) -> None:
    """Compare the reports, print the differences, write a CSV file if asked to."""
    result = differences(args.first, args.second)
    for metric in args.metric or []:
        metrics = sorted(result.numbers["metric"].unique())
        if metric not in metrics:
            raise UserError(f"--metric {metric}: neither has it. Both have: {', '.join(metrics)}")
    if args.metric:
        numbers = result.numbers[result.numbers["metric"].isin(args.metric)]
        result = Differences(numbers, result.verdicts, result.only)
    if args.csv:
        result.numbers.to_csv(args.csv, index=False, lineterminator="\n")
    print(text(result, args.most))


def text(result: Differences, most: int) -> str:
    """The differences as text, with at most `most` lines of numbers."""
    numbers = result.numbers
    count = numbers["kind"].value_counts().reindex([BEYOND, SINGLE, WITHIN, SAME], fill_value=0)
    lines = [
        f"{len(numbers)} numbers that both have: {count[BEYOND]} differ beyond the spread of "
        f"their seeds or draws (Welch's t-test, p < 0.05; one in twenty does by chance), "
        f"{count[SINGLE]} single values differ, {count[WITHIN]} differ within their spread, "
        f"{count[SAME]} are equal"
    ]
    # numbers within their spread stand in the count and in the CSV file alone
    changed = numbers[numbers["kind"].isin([BEYOND, SINGLE])]
    for row in changed.head(most).itertuples():
        values = f"{metric_text(row.metric, row.first)} → {metric_text(row.metric, row.second)}"
        seeds = f"n {row.n_first}, {row.n_second}"
        p = "one seed" if row.kind == SINGLE else f"p {scientific(row.p)}"
        label = f"{row.split}  {row.label}  {row.metric}"
        lines.append(f"  {label}: {values} ({seeds}, {p})")
    if len(changed) > most:
        lines.append(f"  … {len(changed) - most} more: --most, or --csv for all")
    for name, verdicts in result.verdicts.items():
        lines.append(f"claim {name}: {' → '.join(verdicts)}")
    for name, labels in zip(("first", "second"), result.only, strict=True):
        if labels:
            lines.append(f"only in the {name}: {'; '.join(labels)}")
    return "\n".join(lines)

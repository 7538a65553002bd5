"""Convert a retrained model's evaluation log, of any supported format, to an evaluation."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.tofu.retained import TABLE, evaluation_of
from unlearning.benchmarks.tofu.splits import holdout_tables
from unlearning.data.tables import read_table
from unlearning.evaluation.records import write_records


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of the stage, as rule import_log gives them."""
    parser.add_argument("--log", type=Path, required=True, help="evaluation log, or its folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", required=True, help="forget split")
    # The rule passes the option without a value if all rows are evaluated.
    parser.add_argument("--rows", nargs="?", type=int, help="first rows that are evaluated")
    parser.add_argument(
        "--attacks", nargs="*", default=[], help="of membership, on the non-members of the tables"
    )
    parser.add_argument("--out", type=Path, required=True, help="evaluation folder to write")


def run(args: Namespace) -> None:
    """Read the log, check that it holds the experiment's rows, write the evaluation."""
    table = read_table(args.data / f"{TABLE.format(split=args.split)}.json")
    non_members = None
    if args.attacks:
        paths = [args.data / f"{name}.json" for name in holdout_tables(args.split)]
        existing = [path for path in paths if path.is_file()]
        if existing:  # else the user's file: its rows were compared before any job
            non_members = read_table(existing[0])
    rows, summary = evaluation_of(args.log, table, args.rows, args.split, non_members)
    write_records(args.out, rows, summary)
    identities = ", ".join(summary["log"]["rows compared by"])
    print(f"{args.log}: {len(rows['forget']['question'])} forget rows, the same by {identities}")

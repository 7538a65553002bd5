"""Write a retrained model's evaluation log, whoever made it, as an evaluation of ours."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.tofu.retained import TABLE, evaluation_of
from unlearning.benchmarks.tofu.splits import holdout_tables
from unlearning.data.tables import read_table
from unlearning.evaluation.records import write_records


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule import_log shows."""
    parser.add_argument("--log", type=Path, required=True, help="evaluation log, or its folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", required=True, help="forget split")
    # may stand without a value: the rule's is then empty
    parser.add_argument("--rows", nargs="?", type=int, help="first rows that are evaluated")
    parser.add_argument(
        "--attacks", nargs="*", default=[], help="of membership, on the non-members of the tables"
    )
    parser.add_argument("--out", type=Path, required=True, help="evaluation folder to write")


def run(args: Namespace) -> None:
    """Read, compare the rows, write."""
    table = read_table(args.data / f"{TABLE.format(split=args.split)}.json")
    held_out = [args.data / f"{name}.json" for name in holdout_tables(args.split)]
    present = [path for path in held_out if path.is_file()]
    non_members = read_table(present[0]) if args.attacks and present else None
    rows, summary = evaluation_of(args.log, table, args.rows, args.split, non_members)
    write_records(args.out, rows, summary)
    compared = ", ".join(summary["log"]["rows compared by"])
    print(f"{args.log}: {len(rows['forget']['question'])} forget rows, the same by {compared}")

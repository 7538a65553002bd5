"""Write the other answers that methods train on: refusals and plausible false answers."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.assets.record import resolve_snapshots
from unlearning.benchmark import OTHER_ANSWERS
from unlearning.data.answers import REFUSALS_TABLE, alternatives, alternatives_table, refusals
from unlearning.data.build import Tables
from unlearning.data.tables import ColumnNames, read_table, write_table
from unlearning.files import new_folder, write_sums
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--kinds", nargs="+", choices=OTHER_ANSWERS, help="by default all")
    # no value for refusals, which need no tables
    parser.add_argument("--data", type=Path, nargs="?", help="folder of tables, for alternatives")
    parser.add_argument("--splits", nargs="+", help="forget splits; with --config those of it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    # no value for data that are not from the hub
    parser.add_argument("--snapshot", nargs="*", help="records of rule fetch, without data_dir")
    add_settings(parser, _settings)


def _settings(experiment, args: Namespace) -> dict:
    args.splits = args.splits or experiment.tables
    args.kinds = args.kinds or experiment.benchmark.other_answers(experiment.config["data"])
    return experiment.config["data"]


def run(args: Namespace) -> None:
    """Build the answers and write them as JSON lines."""
    # of one kind for a rule, of all for a person
    tables: Tables = {}
    for kind in args.kinds:
        tables |= TABLES[kind](args, ColumnNames(args.settings["columns"]))
    with new_folder(args.out) as folder:
        for name, rows in sorted(tables.items()):
            write_table(folder / f"{name}.json", rows)
            print(f"{name}: {len(rows)} rows")
        write_sums(folder)


def _refusals(args: Namespace, names: ColumnNames) -> Tables:
    snapshots = resolve_snapshots(args.snapshot or [])
    return {REFUSALS_TABLE: refusals(args.settings, snapshots, names)}


def _alternatives(args: Namespace, names: ColumnNames) -> Tables:
    forget = {split: read_table(args.data / f"{split}.json") for split in args.splits}
    per_split = alternatives(args.settings, forget, names)
    return {alternatives_table(split): rows for split, rows in per_split.items()}


# a table whose entries rules name, so that an edit of one kind's code does not rerun the other
TABLES = {"refusals": _refusals, "alternatives": _alternatives}

"""Write the tables of a world: full, forget and retain splits, perturbed sets."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.assets.record import resolve_snapshots
from unlearning.benchmark import benchmark_of, room
from unlearning.data.build import build_tables
from unlearning.data.origin import write_origin
from unlearning.data.tables import write_table
from unlearning.files import new_folder, write_sums
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--splits", nargs="+", help="forget splits; with --config those of it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    # no value for data that are not from the hub
    parser.add_argument("--snapshot", nargs="*", help="records of rule fetch, without data_dir")
    add_settings(parser, _settings)


def _settings(experiment, args: Namespace) -> dict:
    args.splits = args.splits or experiment.tables
    return experiment.data_settings()


def run(args: Namespace) -> None:
    """Build the tables and write them as JSON lines."""
    tables = build_tables(args.settings, args.splits, resolve_snapshots(args.snapshot or []))
    with new_folder(args.out) as folder:
        for name, rows in sorted(tables.items()):
            write_table(folder / f"{name}.json", rows)
            print(f"{name}: {len(rows)} rows")
        benchmark = benchmark_of(args.settings["source"])
        if benchmark.brings_tasks(args.settings):
            # task files name their data by the path that the folder will have once it is renamed
            room(benchmark.name, "data").write_tasks(folder, args.out, args.settings)
        write_origin(folder, args.settings, args.splits)
        write_sums(folder)

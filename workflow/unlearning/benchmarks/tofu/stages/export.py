"""Write an evaluation as open-unlearning's TOFU_EVAL.json and TOFU_SUMMARY.json."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.tofu.formulas import SETS
from unlearning.benchmarks.tofu.logs import open_unlearning, ours
from unlearning.benchmarks.tofu.logs.log import Log, check_same_rows, require
from unlearning.benchmarks.tofu.logs.reading import load, read_log
from unlearning.errors import UserError
from unlearning.files import write_json


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments: an evaluation and, for forget quality, that of a retrained model."""
    parser.add_argument("--format", choices=[open_unlearning.NAME], required=True, help="whose")
    parser.add_argument("--logs", type=Path, required=True, help="evaluation folder")
    parser.add_argument("--retain", type=Path, help="evaluation folder of a retrained model")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")


def run(args: Namespace) -> None:
    """Read and check the evaluations, write both files."""
    log, rows = read_ours(args.logs, SETS)
    retained_rows = None
    if args.retain:
        retained_log, retained_rows = read_ours(args.retain, ("forget",))
        check_same_rows(log, retained_log)  # forget quality would be a number of other rows, too
    content = open_unlearning.write(rows, retained_rows)
    write_json(args.out / open_unlearning.FILE, content, indent=4)
    write_json(args.out / open_unlearning.SUMMARY_FILE, open_unlearning.summary(content), indent=4)
    print(f"{args.out / open_unlearning.FILE}: {len(content)} metrics")


def read_ours(path: Path, sets: tuple[str, ...]) -> tuple[Log, dict[str, dict]]:
    """The checked log of an evaluation, and the columns of these sets and of its holdout."""
    log = read_log(path, sets)
    if log.format != ours.NAME:
        raise UserError(f"{path}: found a log of format {log.format}, expected {ours.DESCRIPTION}")
    content = load(log.path)
    # a log may lack texts, but open-unlearning's file shows them
    for name in sets:
        require(content[name], ours.TEXTS, f"{log.path}, {name}")
    return log, {name: content[name] for name in log.rows}

"""Evaluate one model on the four sets of a forget split.

For membership inference, rows that no model has seen are scored too; for fluency, the target model
scores the answers.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from unlearning.benchmark import room
from unlearning.data.formats import read_rows
from unlearning.data.tables import QA, ColumnNames
from unlearning.evaluation.records import write_evaluation
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.stages.arguments import add_fit, add_settings
from unlearning.training.session import make_accelerator


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", help="forget split; by default the only one")
    # both may have no value, because a rule's optional input can be empty
    parser.add_argument("--target", nargs="?", help="target model folder, to judge fluency")
    parser.add_argument("--holdout", nargs="?", type=Path, help="table of non-members")
    # by default not next to the model, where the experiment has its own evaluation
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("evaluation"),
        help="folder to write (default: %(default)s)",
    )
    add_fit(parser)
    add_settings(parser, lambda experiment, args: experiment.evaluate_settings())


def non_members(args: Namespace) -> list[dict] | None:
    """Rows of the user's table of texts that no model has seen; None without --holdout."""
    if args.holdout is None:
        return None
    # settings name columns only where the config itself has such a table
    return read_rows(args.holdout, QA, ColumnNames(args.settings.get("columns", {}))).rows


def run(args: Namespace) -> None:
    """Load the model, score the sets, generate answers; with --target, load and score again.

    The target model scores the generated answers alone.
    """
    settings = args.settings
    accelerator = make_accelerator(settings)
    model = load_model(args.model, settings["precision"]).to(accelerator.device)
    tokenizer = load_tokenizer(args.model)
    attacks = settings["evaluation"]["membership"]
    benchmark = settings["evaluation"]["benchmark"]
    evaluator = room(benchmark, "evaluator").make_evaluator(
        args.data,
        args.split,
        tokenizer,
        settings,
        args.fit,
        accelerator,
        attacks=attacks,
        holdout=non_members(args),
    )
    rows = evaluator(model)
    if args.target is not None:
        # of the target itself the answers are scored by the model that is loaded already
        if args.target != args.model:
            del model  # one model in memory at a time
            torch.cuda.empty_cache()
            model = load_model(args.target, settings["precision"]).to(accelerator.device)
        evaluator.add_fluency(model, rows)
    if accelerator.is_main_process:
        metrics = write_evaluation(args.out, rows, benchmark, settings["metrics"])
        for name, value in metrics.items():
            print(f"{name:32s} {value:.4f}")

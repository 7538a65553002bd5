"""Evaluate one model on the four sets of a forget split."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.evaluation.records import write_evaluation
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.stages.arguments import add_settings
from unlearning.stages.common import make_accelerator
from unlearning.stages.evaluating import make_evaluator


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule evaluate shows."""
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--split", required=True, help="forget split")
    parser.add_argument("--out", type=Path, required=True, help="evaluation folder to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """One model load, one scoring pass, one generation pass."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    model = load_model(args.model, settings["precision"]).to(accelerator.device)
    tokenizer = load_tokenizer(args.model)
    evaluator = make_evaluator(args.data, args.split, tokenizer, settings, accelerator)
    rows = evaluator(model)
    if accelerator.is_main_process:
        for name, value in write_evaluation(args.out, rows).items():
            print(f"{name:32s} {value:.4f}")

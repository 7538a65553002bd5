"""Unlearn two Markov chains with every method, KL to the retrained model after each step."""

from argparse import ArgumentParser, Namespace

import transformers
from accelerate import Accelerator

from unlearning.benchmarks.synthetic.markov import MarkovStudy
from unlearning.files import write_json
from unlearning.stages.arguments import add_synthetic
from unlearning.training.session import run_origin


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule unlearn_markov shows."""
    add_synthetic(parser)


def run(args: Namespace) -> None:
    """Learn, retrain, unlearn, write the curves. On the CPU: models this small gain nothing from a
    GPU, and the numbers are the same on every run."""
    transformers.utils.logging.disable_progress_bar()
    study = MarkovStudy(args.settings, args.seed, Accelerator(cpu=True))
    runs = [
        {**entry, **study.unlearn(entry["method"], entry["hyper"])}
        for entry in args.settings["runs"]
    ]
    record = {"seed": args.seed, "settings": args.settings, "runs": runs, **run_origin()}
    write_json(args.out, record, indent=None)

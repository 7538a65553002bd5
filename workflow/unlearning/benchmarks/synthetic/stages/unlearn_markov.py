"""Unlearn two Markov chains with every method, KL to the retrained model after each step."""

from argparse import Namespace

from unlearning.benchmarks.synthetic.markov import MarkovStudy
from unlearning.files import write_json
from unlearning.progress import Progress
from unlearning.stages.arguments import add_synthetic
from unlearning.training.session import run_origin

add_arguments = add_synthetic


def run(args: Namespace) -> None:
    """Train the target and the retrained model, unlearn with each method, write the curves.

    All on the CPU: models this small gain nothing from a GPU, and runs give equal numbers.
    """
    settings = args.settings
    study = MarkovStudy(settings, args.seed)
    progress = Progress("unlearning", len(settings["runs"]))
    runs = []
    for done, entry in enumerate(settings["runs"], 1):
        runs.append({**entry, **study.unlearn(entry["method"], entry["hyper"])})
        progress.update(done, entry["method"])
    record = {"seed": args.seed, "settings": settings, "runs": runs, **run_origin()}
    write_json(args.out, record, indent=None)

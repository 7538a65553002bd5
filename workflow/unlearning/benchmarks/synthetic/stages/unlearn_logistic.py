"""Unlearn Gaussian points with every method of a setting: studies logistic and divergence."""

from argparse import Namespace

from unlearning.benchmarks.synthetic.logistic import objective, prepare, unlearning_curves
from unlearning.files import write_json
from unlearning.progress import Progress
from unlearning.stages.arguments import add_synthetic
from unlearning.training.session import run_origin

add_arguments = add_synthetic


def run(args: Namespace) -> None:
    """Train the target and the retrained model, unlearn with each method, write the curves."""
    settings = args.settings
    study = prepare(settings["gaussian"], settings["alpha"], args.seed)
    progress = Progress("unlearning", len(settings["runs"]))
    runs = []
    for done, entry in enumerate(settings["runs"], 1):
        hyper = dict(entry["hyper"])
        lr = hyper.pop("lr")  # the registry's losses have none
        losses = objective(entry["method"], hyper)
        curves = unlearning_curves(study, losses, lr, settings["steps"], settings["every"])
        runs.append({**entry, "curves": curves})
        progress.update(done, entry["method"])
    record = {"seed": args.seed, "settings": settings, "runs": runs, **run_origin()}
    write_json(args.out, record, indent=None)

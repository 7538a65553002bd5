"""Write the report: tables, figures, verdicts on the papers' claims, one self-contained page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.config.experiment import experiment_of
from unlearning.evaluation.own import declare_own_metrics, recorded_directions
from unlearning.reporting.claims.file import load_claims
from unlearning.reporting.report import write
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of rule report; its settings are the experiment's complete config."""
    parser.add_argument("--claims", type=Path, required=True, help="YAML file of claims")
    # no value for benchmarks without published numbers
    parser.add_argument("--published", nargs="?", type=Path, help="YAML of published numbers")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, lambda experiment, args: experiment.config)


def run(args: Namespace) -> None:
    """Read the experiment's results, judge the claims, write the report."""
    experiment = experiment_of(args.settings)
    # first, because later code reads the tables of metrics
    declare_own_metrics(experiment, recorded_directions(experiment))
    write(experiment, load_claims(args.claims), args.published, args.out)

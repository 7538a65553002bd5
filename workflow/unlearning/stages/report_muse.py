"""Report of a MUSE experiment: tables, and one self-contained page."""

from argparse import ArgumentParser, Namespace

from unlearning.config.experiment import Experiment
from unlearning.files import write_text
from unlearning.reporting.cost import read_costs
from unlearning.reporting.muse import read_muse
from unlearning.reporting.muse_page import csv_tables, render
from unlearning.reporting.muse_published import load_muse_published
from unlearning.stages.arguments import add_report


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule report shows."""
    add_report(parser)


def run(args: Namespace) -> None:
    """Read, write."""
    experiment = Experiment(args.settings)
    published = load_muse_published(args.published, experiment.config["data"]["corpus"])
    results, costs = read_muse(experiment), read_costs(experiment)
    for name, text in csv_tables(results, costs).items():
        write_text(args.out / "tables" / name, text)
    write_text(args.out / "index.html", render(args.template, results, costs, published))
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    print(f"{args.out / 'index.html'}: {len(results.models)} models")

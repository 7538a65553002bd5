"""Report of a WMDP experiment: tables, verdicts on claims, and one self-contained page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.wmdp.page import csv_tables, render
from unlearning.benchmarks.wmdp.results import read_wmdp
from unlearning.config.experiment import Experiment
from unlearning.evaluation.metrics import WMDP
from unlearning.files import write_json, write_text
from unlearning.reporting.claims_evaluated import judge_models
from unlearning.reporting.claims_file import load_claims
from unlearning.reporting.cost import read_costs
from unlearning.reporting.published_models import load_published_models
from unlearning.stages.arguments import add_report


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule report shows."""
    parser.add_argument("--claims", type=Path, required=True, help="YAML file of claims")
    add_report(parser)


def run(args: Namespace) -> None:
    """Read, judge, write."""
    experiment = Experiment(args.settings)
    claims = load_claims(args.claims)
    published = load_published_models(args.published, experiment, [*WMDP], digits=3)
    results, costs = read_wmdp(experiment), read_costs(experiment)
    verdicts = judge_models(claims, "wmdp", experiment, results.models)
    write_json(args.out / "claims.json", [verdict.record() for verdict in verdicts])
    for name, text in csv_tables(results, costs, published).items():
        write_text(args.out / "tables" / name, text)
    page = render(args.template, results, verdicts, costs, published)
    write_text(args.out / "index.html", page)
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    print(f"{args.out / 'index.html'}: {len(results.models)} models, {len(verdicts)} verdicts")

"""Report: tables, figures, verdicts on the papers' claims, and one self-contained page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.tofu.report.beside import compared
from unlearning.benchmarks.tofu.report.divergence_view import divergence_table
from unlearning.benchmarks.tofu.report.figures import svg_figures
from unlearning.benchmarks.tofu.report.page import render
from unlearning.benchmarks.tofu.report.published import load_published
from unlearning.benchmarks.tofu.report.results import read_results
from unlearning.benchmarks.tofu.report.tables import csv_tables, published_table
from unlearning.benchmarks.tofu.report.weights_view import weights_table
from unlearning.config.experiment import Experiment
from unlearning.files import write_json, write_text
from unlearning.reporting.claims import judge
from unlearning.reporting.claims_file import load_claims
from unlearning.reporting.cost import read_costs
from unlearning.reporting.harness_table import read_harness
from unlearning.reporting.palette import styles
from unlearning.stages.arguments import add_report


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule report shows."""
    parser.add_argument("--claims", type=Path, required=True, help="YAML file of claims")
    add_report(parser)


def run(args: Namespace) -> None:
    """Read, judge, write."""
    experiment = Experiment(args.settings)
    claims = [claim for claim in load_claims(args.claims) if claim.study is None]
    published = load_published(args.published, experiment)
    results = read_results(experiment)
    verdicts, costs = judge(claims, results), read_costs(experiment)
    write_json(args.out / "claims.json", [verdict.record() for verdict in verdicts])
    harness = read_harness(results)
    own = {"harness.csv": harness.csv()} if harness else {}
    own["published.csv"] = published_table(compared(results, published.models))
    own["divergence.csv"] = divergence_table(results)
    own["weights.csv"] = weights_table(results)
    for name, text in {**csv_tables(results, costs), **own}.items():
        write_text(args.out / "tables" / name, text)
    for name, text in svg_figures(results, styles(results)).items():
        write_text(args.out / "figures" / name, text)
    page = render(args.template, results, verdicts, costs, published, harness)
    write_text(args.out / "index.html", page)
    if missing := len(results.missing) + len(harness.missing if harness else []):
        print(f"{missing} files are missing; the page lists them")
    print(f"{args.out / 'index.html'}: {len(verdicts)} verdicts on {len(claims)} claims")

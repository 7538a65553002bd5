"""Report of a synthetic experiment: tables, figures, verdicts on claims, one page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.synthetic.experiment import SyntheticExperiment
from unlearning.benchmarks.synthetic.figures import svg_figures
from unlearning.benchmarks.synthetic.page import csv_tables, render
from unlearning.benchmarks.synthetic.results import judge_synthetic, read_synthetic
from unlearning.files import write_json, write_text
from unlearning.reporting.claims_file import load_claims
from unlearning.reporting.cost import costs_in
from unlearning.reporting.palette import variant_styles
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that rule report shows."""
    parser.add_argument("--claims", type=Path, required=True, help="YAML file of claims")
    parser.add_argument("--template", type=Path, required=True, help="template of the page")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """Read, judge, write."""
    experiment = SyntheticExperiment(args.settings)
    claims = load_claims(args.claims)
    results = read_synthetic(experiment)
    verdicts = judge_synthetic(claims, results)
    costs = costs_in(experiment.layout.root / "benchmarks", {})
    styles = variant_styles({run.label: run.method for run in results.runs})
    write_json(args.out / "claims.json", [verdict.record() for verdict in verdicts])
    for name, text in csv_tables(results, costs).items():
        write_text(args.out / "tables" / name, text)
    for name, text in svg_figures(results, styles).items():
        write_text(args.out / "figures" / name, text)
    page = render(args.template, results, verdicts, costs, styles)
    write_text(args.out / "index.html", page)
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    judged = len({verdict.claim.id for verdict in verdicts})
    print(f"{args.out / 'index.html'}: {len(verdicts)} verdicts on {judged} claims")

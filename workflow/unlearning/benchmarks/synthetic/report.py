"""Report of a synthetic experiment: tables, figures, verdicts on claims, one page."""

from pathlib import Path

from unlearning.benchmarks.synthetic.experiment import SyntheticExperiment
from unlearning.benchmarks.synthetic.figures import svg_figures
from unlearning.benchmarks.synthetic.page import csv_tables, render
from unlearning.benchmarks.synthetic.results import judge_synthetic, read_synthetic
from unlearning.files import write_json, write_text
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.cost import costs_in
from unlearning.reporting.palette import variant_styles


def write(
    experiment: SyntheticExperiment,
    claims: list[Claim],
    published_file: Path,
    template: Path,
    out: Path,
) -> None:
    """Read, judge, write."""
    results = read_synthetic(experiment)
    verdicts = judge_synthetic(claims, results)
    costs = costs_in(experiment.layout.root / "benchmarks", {})
    styles = variant_styles({run.label: run.method for run in results.runs})
    write_json(out / "claims.json", [verdict.record() for verdict in verdicts])
    for name, text in csv_tables(results, costs).items():
        write_text(out / "tables" / name, text)
    for name, text in svg_figures(results, styles).items():
        write_text(out / "figures" / name, text)
    page = render(template, results, verdicts, costs, styles)
    write_text(out / "index.html", page)
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    judged = len({verdict.claim.id for verdict in verdicts})
    print(f"{out / 'index.html'}: {len(verdicts)} verdicts on {judged} claims")

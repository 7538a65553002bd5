"""Report: tables, figures, verdicts on the papers' claims, and one self-contained page."""

from pathlib import Path

from unlearning.benchmarks.tofu.reporting.beside import compared
from unlearning.benchmarks.tofu.reporting.divergence_view import divergence_table
from unlearning.benchmarks.tofu.reporting.figures import styles, svg_figures
from unlearning.benchmarks.tofu.reporting.harness_table import read_harness
from unlearning.benchmarks.tofu.reporting.page import render
from unlearning.benchmarks.tofu.reporting.published import load_published
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.benchmarks.tofu.reporting.tables import csv_tables
from unlearning.benchmarks.tofu.reporting.verdicts import judge
from unlearning.benchmarks.tofu.reporting.weights_view import weights_table
from unlearning.config.experiment import Experiment
from unlearning.files import write_json, write_text
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.cost import read_costs
from unlearning.reporting.csv_files import published_table


def write(
    experiment: Experiment, claims: list[Claim], published_file: Path, template: Path, out: Path
) -> None:
    """Read, judge, write."""
    claims = [claim for claim in claims if claim.study is None]
    published = load_published(published_file, experiment)
    results = read_results(experiment)
    verdicts, costs = judge(claims, results), read_costs(experiment)
    write_json(out / "claims.json", [verdict.record() for verdict in verdicts])
    harness = read_harness(results)
    own = {"harness.csv": harness.csv()} if harness else {}
    own["published.csv"] = published_table(compared(results, published.models))
    own["divergence.csv"] = divergence_table(results)
    own["weights.csv"] = weights_table(results)
    for name, text in {**csv_tables(results, costs), **own}.items():
        write_text(out / "tables" / name, text)
    for name, text in svg_figures(results, styles(results)).items():
        write_text(out / "figures" / name, text)
    page = render(template, results, verdicts, costs, published, harness)
    write_text(out / "index.html", page)
    if missing := len(results.missing) + len(harness.missing if harness else []):
        print(f"{missing} files are missing; the page lists them")
    print(f"{out / 'index.html'}: {len(verdicts)} verdicts on {len(claims)} claims")

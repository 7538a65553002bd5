"""Report of a WMDP experiment: tables, verdicts on claims, and one self-contained page."""

from pathlib import Path

from unlearning.benchmarks.wmdp.metrics import METRICS as WMDP
from unlearning.benchmarks.wmdp.page import csv_tables, render
from unlearning.benchmarks.wmdp.results import read_wmdp
from unlearning.config.experiment import Experiment
from unlearning.files import write_json, write_text
from unlearning.reporting.claims_evaluated import judge_models
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.cost import read_costs
from unlearning.reporting.published_models import load_published_models


def write(
    experiment: Experiment, claims: list[Claim], published_file: Path, template: Path, out: Path
) -> None:
    """Read, judge, write."""
    published = load_published_models(published_file, experiment, [*WMDP], digits=3)
    results, costs = read_wmdp(experiment), read_costs(experiment)
    verdicts = judge_models(claims, "wmdp", experiment, results.models)
    write_json(out / "claims.json", [verdict.record() for verdict in verdicts])
    for name, text in csv_tables(results, costs, published).items():
        write_text(out / "tables" / name, text)
    page = render(template, results, verdicts, costs, published)
    write_text(out / "index.html", page)
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    print(f"{out / 'index.html'}: {len(results.models)} models, {len(verdicts)} verdicts")

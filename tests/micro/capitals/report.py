"""The report on capitals: a table, a figure and a page."""

from pathlib import Path

import altair
from unlearning.benchmarks.capitals.metrics import METRICS
from unlearning.config.experiment import Experiment
from unlearning.evaluation.records import read_metrics
from unlearning.files import write_json, write_text
from unlearning.reporting.charts import Panel, svg
from unlearning.reporting.claims_file import Claim
from unlearning.reporting.cost import read_costs
from unlearning.reporting.csv_files import csv_text
from unlearning.reporting.provenance import provenance
from unlearning.reporting.template import fill


def write(
    experiment: Experiment, claims: list[Claim], published: Path | None, template: Path, out: Path
) -> None:
    """Read the evaluations and write everything."""
    runs = {"Target": experiment.target_run}
    runs |= {cell.method: cell.run for cell in experiment.cells()}
    rows = []
    for name, run in runs.items():
        metrics = read_metrics(experiment.layout.evaluation("forget", run))
        rows.append({"model": name, **{key: metrics[key] for key in METRICS}})
    bars = altair.Chart(altair.Data(values=rows)).mark_bar()
    panel = Panel("Loss", bars.encode(x="model:N", y="forget_loss:Q"))
    write_json(out / "claims.json", [])
    write_text(out / "tables" / "main.csv", csv_text(rows[0], [row.values() for row in rows]))
    write_text(out / "figures" / "bars.svg", svg([panel], columns=1))
    page = fill(
        template,
        [],
        read_costs(experiment),
        missing=[],
        panels={"bars": [panel]},
        rows=rows,
        story={"experiment": experiment.config["experiment"]},
        provenance=provenance(experiment),
    )
    write_text(out / "index.html", page)

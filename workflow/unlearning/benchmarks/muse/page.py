"""The page of a MUSE experiment's report: one self-contained file."""

from pathlib import Path

from unlearning.benchmarks.muse.figures import page_figures
from unlearning.benchmarks.muse.files import FORGET
from unlearning.benchmarks.muse.formulas import KNOWMEM, VERBMEM
from unlearning.benchmarks.muse.metrics import METRICS as MUSE
from unlearning.benchmarks.muse.results import MuseResults
from unlearning.benchmarks.muse.tables import all_beside, columns, page_tables
from unlearning.evaluation.records import read_rows
from unlearning.reporting.claims import EXPLANATION, Verdict
from unlearning.reporting.comparison import EXPLANATION as BESIDE_METHOD
from unlearning.reporting.cost import Cost
from unlearning.reporting.evaluated import seed_groups
from unlearning.reporting.labels import ARROWS
from unlearning.reporting.palette import Style
from unlearning.reporting.provenance import provenance
from unlearning.reporting.published_models import PublishedModel
from unlearning.reporting.setup import models, recipe
from unlearning.reporting.template import fill

HEADS = {name: (metric.title, ARROWS[metric.better]) for name, metric in MUSE.items()}
PUBLISHED = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")  # what sources print
SHOWN = 6  # answers of each kind on the page
LONGEST = 600  # characters of a text


def answers(results: MuseResults) -> list[dict]:
    """What the first seed of each model says.

    Rows {"set", "question", "truth", "said": [(label, text), ...]}.
    """
    firsts = [found.first for found in seed_groups(results.of(FORGET))]
    layout = results.experiment.layout
    rows = {m.label: read_rows(layout.evaluation(m.split, m.run)) for m in firsts}
    shown = []
    for name in (VERBMEM, *KNOWMEM):
        columns = next(iter(rows.values()))[name]
        for place in range(min(SHOWN, len(columns["question"]))):
            said = [
                (label, own[name]["generation"][place][:LONGEST]) for label, own in rows.items()
            ]
            question, truth = (columns[key][place][-LONGEST:] for key in ("question", "answer"))
            shown.append({"set": name, "question": question, "truth": truth, "said": said})
    return shown


def render(
    template: Path,
    results: MuseResults,
    verdicts: list[Verdict],
    costs: list[Cost],
    published: list[PublishedModel],
    styles: dict[str, Style],
) -> str:
    """The page from its template."""
    config = results.experiment.config
    cells = results.experiment.cells()
    data = config["data"]
    corpus = data.get("corpus") or data.get("data_dir")
    return fill(
        template,
        verdicts,
        costs,
        missing=results.missing,
        panels=page_figures(results, styles),
        styles=styles,
        story={
            "experiment": config["experiment"],
            "generated": not corpus,
            "data": f"MUSE {corpus}" if corpus else "generated news of the mini world",
            "models": models(config),
            "recipe": recipe(config["unlearn"]),
            "methods": results.experiment.methods,
            "retrained": len(results.experiment.retrain_runs()),
            "evaluated": sum(model.epoch is not None for model in results.models),
            "planned": len(cells),
        },
        columns=[(name, *HEADS[name], MUSE[name]) for name in columns(results)],
        tables=page_tables(results, published),
        answers=answers(results),
        claims_method=EXPLANATION,
        published=published,
        published_columns=[(name, *HEADS[name], MUSE[name]) for name in PUBLISHED],
        beside=all_beside(results, published),
        beside_method=BESIDE_METHOD,
        metrics=MUSE,
        provenance=provenance(results.experiment),
    )

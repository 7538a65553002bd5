"""The page of a MUSE experiment's report: one self-contained file."""

from pathlib import Path

import jinja2

from unlearning.data.splits import MUSE_FORGET
from unlearning.evaluation.metrics import MUSE
from unlearning.evaluation.muse import KNOWMEM, VERBMEM
from unlearning.evaluation.records import read_rows
from unlearning.reporting.charts import page_spec, script
from unlearning.reporting.claims import METHOD, Verdict
from unlearning.reporting.claims_view import counts, groups
from unlearning.reporting.comparison import METHOD as BESIDE_METHOD
from unlearning.reporting.cost import Cost
from unlearning.reporting.embed import content_policy, inline_script, json_block
from unlearning.reporting.evaluated import seed_groups
from unlearning.reporting.labels import ARROWS
from unlearning.reporting.muse import MuseResults
from unlearning.reporting.muse_figures import page_figures
from unlearning.reporting.muse_tables import all_beside, columns, page_tables
from unlearning.reporting.palette import Style
from unlearning.reporting.provenance import provenance
from unlearning.reporting.published_models import PublishedModel
from unlearning.reporting.story import base_model, recipe

HEADS = {name: (metric.title, ARROWS[metric.better]) for name, metric in MUSE.items()}
PUBLISHED = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")  # what sources print
SHOWN = 6  # answers of each kind on the page
LONGEST = 600  # characters of a text


def answers(results: MuseResults) -> list[dict]:
    """What the first seed of each model says.

    Rows {"set", "question", "truth", "said": [(label, text), ...]}.
    """
    firsts = [found.first for found in seed_groups(results.of(MUSE_FORGET))]
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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    config = results.experiment.config
    panels = page_figures(results, styles)
    names = ("page/figures.js", "page/table.js") if panels else ("page/table.js",)
    own = [(template.parent / name).read_text(encoding="utf-8") for name in names]
    scripts = [inline_script(source) for source in ([script(), *own] if panels else own)]
    specs = {
        f"{kind}-{place}": page_spec(panel)
        for kind, shown in panels.items()
        for place, panel in enumerate(shown)
    }
    cells = results.experiment.cells()
    corpus = config["data"]["corpus"] or config["data"]["data_dir"]
    return environment.get_template(template.name).render(
        policy=content_policy(scripts),
        scripts=scripts,
        specs=json_block(specs),
        panels=panels,
        styles=styles,
        story={
            "experiment": config["experiment"],
            "generated": not corpus,
            "data": f"MUSE {corpus}" if corpus else "generated news of the mini world",
            "base": base_model(config["model"]),
            "recipe": recipe(config["unlearn"]),
            "methods": results.experiment.methods,
            "retrained": len(config["retrain"]["seeds"]),
            "evaluated": sum(model.epoch is not None for model in results.models),
            "planned": len(cells),
        },
        columns=[(name, *HEADS[name], MUSE[name]) for name in columns(results)],
        tables=page_tables(results, published),
        answers=answers(results),
        claims=groups(verdicts),
        counts=counts(verdicts),
        claims_method=METHOD,
        published=published,
        published_columns=[(name, *HEADS[name], MUSE[name]) for name in PUBLISHED],
        beside=all_beside(results, published),
        beside_method=BESIDE_METHOD,
        metrics=MUSE,
        costs=costs,
        provenance=provenance(results.experiment),
        missing=[str(path) for path in results.missing],
    )

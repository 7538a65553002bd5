"""Write a report: read the results, judge the claims, write all files and the page."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import pandas
from markupsafe import Markup

from unlearning.benchmark import room
from unlearning.files import write_bytes, write_json, write_text
from unlearning.reporting.charts.palette import REFERENCE_STYLES, Style, variant_styles
from unlearning.reporting.charts.specs import figure_files, page_spec, script
from unlearning.reporting.claims.file import Claim
from unlearning.reporting.claims.judge import Judged, judge
from unlearning.reporting.cost import Cost, read_costs
from unlearning.reporting.embed import content_policy, inline_script, json_block
from unlearning.reporting.frame import Spread, finals, spreads, unit_of
from unlearning.reporting.published.comparison import Compared
from unlearning.reporting.published.numbers import PublishedNumbers, compared, load_published
from unlearning.reporting.results import Results
from unlearning.reporting.section import Content, Section, sections

PAGE = Path(__file__).resolve().parents[3] / "reports" / "page"
EMBEDDED = 160_000  # bytes of the longest file that the page contains, for pages mailed alone


@dataclass(frozen=True)
class Report:
    """The data that sections are made from."""

    experiment: Any
    results: Results
    claims: list[Judged]
    published: PublishedNumbers
    costs: list[Cost]

    @property
    def frame(self) -> pandas.DataFrame:
        """All numbers; see frame.COLUMNS."""
        return self.results.frame

    @cached_property
    def unit(self) -> str:
        """What a mean is taken over, draw or seed; see frame.unit_of()."""
        return unit_of(self.frame)

    @cached_property
    def spreads(self) -> dict[tuple, dict[str, Spread]]:
        """(split, label) -> metric -> mean and deviation over the finished models of a variant."""
        return spreads(finals(self.frame), ["split", "label"])

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Label -> style of every model, references first."""
        models = self.results.models.drop_duplicates("label")
        methods = dict(zip(models["label"], models["method"], strict=True))
        # colours are chosen for the unlearned models together, so that they differ
        unlearned = {label: m for label, m in methods.items() if label not in REFERENCE_STYLES}
        styles = REFERENCE_STYLES | variant_styles(unlearned)
        return {label: styles[label] for label in methods}

    @cached_property
    def beside(self) -> list[Compared]:
        """Each published number of this experiment's model, with the value measured here."""
        return compared(self.published, self.results)


def write(experiment, claims: list[Claim], published_file: Path | None, out: Path) -> None:
    """Write all files of an experiment's report into `out`.

    claims: to be judged. published_file: published numbers to show beside the experiment's, if any.
    """
    benchmark = experiment.benchmark.name
    results = room(benchmark, "results").read(experiment)
    judged, published = judge(claims, results), load_published(published_file, experiment)
    report = Report(experiment, results, judged, published, read_costs(experiment))
    write_bytes(out / "results.parquet", results.frame.to_parquet(index=False))
    write_text(out / "results.csv", results.frame.to_csv(index=False, lineterminator="\n"))
    write_json(out / "claims.json", [claim.record() for claim in report.claims])
    # the page contains some of the sections' files, so it is written last
    parts = []
    for section in sections(benchmark, experiment.benchmark.sections):
        content = section.content(report)
        write_files(section, content, out)
        parts.append((section, content))
    write_text(out / "index.html", page(report, parts, out))
    if results.missing:
        print(f"{len(results.missing)} files are missing; the page lists them")
    print(f"{out / 'index.html'}: {len(results.models)} models, {len(report.claims)} claims")


def write_files(section: Section, content: Content, out: Path) -> None:
    """Write a section's tables and figures; ValueError unless they are those that it declares.

    Snakemake expects the declared files as the rule's outputs.
    """
    files: dict[str, str | bytes] = {}
    for name, table in content.csv.items():
        files[f"tables/{name}.csv"] = table.to_csv(index=False, lineterminator="\n")
    for name, tables in content.tables.items():
        files[f"tables/{name}.md"] = "\n".join(table.markdown() for table in tables)
        files[f"tables/{name}.tex"] = "\n".join(table.latex() for table in tables)
    for name, figure in content.figures.items():
        pictures = figure_files(figure.panels, figure.columns, figure.width, figure.note)
        files |= {f"figures/{name}.{kind}": data for kind, data in pictures.items()}
    # before anything is written: a file too few would fail the rule once all is done
    if set(files) != set(section.files):
        differing = sorted(set(files) ^ set(section.files))
        raise ValueError(f"section {section.id} declares other files than it makes: {differing}")
    for name, data in files.items():
        write_bytes(out / name, data.encode("utf-8") if isinstance(data, str) else data)


def page(report: Report, parts: list[tuple[Section, Content]], out: Path) -> str:
    """The HTML of the page, which needs no other file and no network.

    parts: sections with their contents, in order. out: the folder with the sections' files.
    """
    visible = [(section, content) for section, content in parts if not content.empty]
    folders = [PAGE, *dict.fromkeys(section.path.parent for section, _ in visible)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a misspelled variable fails instead of printing nothing
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"styles": report.styles, "report": report, "results": report.results}
    # the page's JSON: charts by the id of their element, text files, data of the sections' scripts
    specs: dict[str, dict] = {}
    files: dict[str, str] = {}
    data: dict[str, Any] = {}
    names = ["page.js"]
    rendered = []
    for section, content in visible:
        for name, figure in content.figures.items():
            for number, panel in enumerate(figure.panels):
                specs[f"{name}-{number}"] = page_spec(panel)
        # read back from the folder, so that what the page saves is what lies beside it
        for name in section.files:
            text = _embedded(out / name)
            if text:
                files[name] = text
        if content.data is not None:
            data[section.id] = content.data
        names += content.scripts
        template = environment.get_template(section.template.name)
        html = template.render(section=section, content=content, **content.words)
        rendered.append((section, Markup(html)))
    # the drawing library is large, so only for a page with charts
    sources = [script()] if specs else []
    for name in names:
        sources.append(environment.loader.get_source(environment, name)[0])
    scripts = [inline_script(source) for source in sources]
    return environment.get_template("page.html.j2").render(
        policy=content_policy(scripts),
        scripts=scripts,
        sections=rendered,
        data=json_block({"specs": specs, "files": files, **data}),
    )


def _embedded(path: Path) -> str | None:
    """The text of a file that the page contains; None for pictures and long files."""
    if path.suffix not in (".csv", ".md", ".tex") or path.stat().st_size > EMBEDDED:
        return None
    return path.read_text(encoding="utf-8")

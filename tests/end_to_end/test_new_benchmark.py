"""A benchmark is one folder and one line: a toy runs to its report in a copy of the project."""

import csv
import shutil

import pytest
from finished import MICRO
from project import Project, copied
from unlearning.files import read_json

LINE = '    "own": ("own",),\n'
CONFIG = MICRO / "capitals.yaml"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Project:
    """The project with tests/micro/capitals among its benchmarks, before its first run."""
    project = copied(tmp_path_factory.mktemp("extended") / "project")
    package = project.root / "workflow" / "unlearning"
    shutil.copytree(MICRO / "capitals", package / "benchmarks" / "capitals")
    source = (package / "benchmark.py").read_text(encoding="utf-8")
    assert source.count(LINE) == 1
    line = LINE + '    "capitals": ("capitals",),\n'
    (package / "benchmark.py").write_text(source.replace(LINE, line), encoding="utf-8")
    return project


def test_a_new_benchmark_runs_to_its_report(extended):
    done = extended.ask_snakemake(CONFIG, "--show-failed-logs")
    assert done.returncode == 0, done.stdout
    world = extended.root / "results" / "micro-capitals"
    text = (world / "report" / "tables" / "main.csv").read_text(encoding="utf-8")
    means = {(r["label"], r["metric"]): float(r["mean"]) for r in csv.DictReader(text.splitlines())}
    assert {label for label, _ in means} == {"Target", "NPO+RT"}
    losses = read_json(world / "forget" / "base" / "evaluate" / "rows.json")["forget"][
        "answer_loss"
    ]
    assert len(losses) == 4
    assert means["Target", "forget_loss"] == pytest.approx(sum(losses) / 4)
    assert means["NPO+RT", "forget_loss"] > means["Target", "forget_loss"]
    assert "Capitals of micro-capitals" in (world / "report" / "index.html").read_text()
    assert (world / "report" / "figures" / "bars.svg").is_file()
    assert extended.jobs(CONFIG) == {}


def test_it_is_planned_and_its_keys_are_checked(extended):
    plan = extended.call("python", "-m", "unlearning", "plan", "--configfile", CONFIG)
    assert plan.returncode == 0 and "micro-capitals" in plan.stdout, plan.stdout
    wrong = extended.write({"experiment": "x", "data": {"source": "capitals", "forgoten": 3}})
    refused = extended.dry_run(wrong)
    assert refused.returncode == 1
    assert "unknown key 'forgoten'; did you mean 'forgotten'?" in refused.stdout


def test_a_section_is_a_module_and_a_template(extended):
    """Page, navigation, files and captions follow from the section's name in the list."""
    folder = extended.root / "workflow" / "unlearning" / "benchmarks" / "capitals"
    (folder / "sections" / "pairs.py").write_text(SECTION, encoding="utf-8")
    template = '<p>{{ pairs }} pairs</p>{{ content.tables["pairs"][0].caption }}'
    (folder / "sections" / "pairs.html.j2").write_text(template, encoding="utf-8")
    experiment = (folder / "experiment.py").read_text(encoding="utf-8")
    experiment = experiment.replace('"bars", ', '"bars", "pairs", ')
    (folder / "experiment.py").write_text(experiment, encoding="utf-8")
    assert extended.jobs(CONFIG) == {"report": 1}
    done = extended.ask_snakemake(CONFIG, "--show-failed-logs")
    assert done.returncode == 0, done.stdout
    report = extended.root / "results" / "micro-capitals" / "report"
    page = (report / "index.html").read_text(encoding="utf-8")
    assert '<a href="#pairs">Pairs</a>' in page and "<p>2 pairs</p>Pairs of models" in page
    assert (report / "tables" / "pairs.csv").read_text(encoding="utf-8") == "pairs\n2\n"
    assert r"\begin{tabular}" in (report / "tables" / "pairs.tex").read_text(encoding="utf-8")
    for kind in ("svg", "pdf", "png", "vl.json"):
        assert (report / "figures" / f"pairs.{kind}").stat().st_size > 100


SECTION = '''"""Pairs of models."""

import altair
import pandas

from unlearning.reporting.charts.specs import Panel, inline_data
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.tables import Cell, Column, Row, Table

TITLE = "Pairs"
TABLES = ("pairs",)
SHOWN = ("pairs",)
FIGURES = {"pairs": "How many pairs of models there are."}


def content(report) -> Content:
    count = len(report.results.models)
    rows = [Row("all", [Cell(str(count), count)])]
    table = Table("pairs", "Pairs of models", [Column("pairs", "Pairs")], rows)
    chart = altair.Chart(inline_data([{"count": count}])).mark_bar().encode(y="count:Q")
    figures = {"pairs": Figure([Panel("Pairs", chart)])}
    csv = {"pairs": pandas.DataFrame({"pairs": [count]})}
    return Content(csv, {"pairs": [table]}, figures, {"pairs": count})
'''

"""What a section declares and what it makes: equal, for every section of every benchmark."""

import ast
import shutil
import sys
from dataclasses import replace

import pandas
import pytest
from unlearning.benchmark import SOURCES, WITHOUT_DATA, room
from unlearning.reporting import section as sections_module
from unlearning.reporting import sections as shared
from unlearning.reporting.report import page, write_files
from unlearning.reporting.section import HERE, Content, Figure, Section, sections
from unlearning.reporting.tables import Cell, Column, Row, Table

BENCHMARKS = (*SOURCES, *WITHOUT_DATA)


def sections_of(benchmark: str) -> list[Section]:
    return sections(benchmark, room(benchmark, "experiment").BENCHMARK.sections)


def all_sections() -> list[Section]:
    found = [section for benchmark in BENCHMARKS for section in sections_of(benchmark)]
    return [*dict.fromkeys(found)]


@pytest.mark.parametrize("section", all_sections(), ids=lambda section: section.module)
def test_a_section_is_a_module_with_its_template(section):
    assert section.path.is_file() and section.template.is_file()
    assert section.title and section.title[0].isupper()
    shown = section.declared["SHOWN"]
    text = section.template.read_text("utf-8")
    for name in section.figures:
        assert section.figures[name].endswith(".")
        # a template may go through its figures by a name of its own
        assert name in text or "macros.draw(content, " in text
    for name in shown:
        assert name in text or "content.tables[" in text


def test_no_module_of_a_section_is_left_over():
    listed = {section.path for section in all_sections()}
    folders = {section.path.parent for section in all_sections()}
    templates = {path for folder in folders for path in folder.glob("*.html.j2")}
    assert templates == {path.with_suffix(".html.j2") for path in listed}


def test_files_and_ids_are_each_of_one_section():
    for benchmark in BENCHMARKS:
        found = sections_of(benchmark)
        assert len({section.id for section in found}) == len(found)
        files = [name for section in found for name in section.files]
        assert len(set(files)) == len(files)


def test_a_benchmarks_own_section_counts_first():
    own, common = sections("tofu", ("strata", "claims"))
    assert own.module == "unlearning.benchmarks.tofu.sections.strata"
    assert common.module == "unlearning.reporting.sections.claims"
    assert own.path == HERE / "benchmarks" / "tofu" / "sections" / "strata.py"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """written(text): the section of a module's text, in a folder of its own."""
    monkeypatch.setattr(sections_module, "HERE", tmp_path)

    def section(text: str) -> Section:
        (tmp_path / "extra.py").write_text(text)
        return Section("extra", "unlearning")

    return section


MODULE = """import there_is_no_such_module
TITLE = "Extra"
TABLES = ("one", "two")
SHOWN = ("one",)
FIGURES = {"drawn": "What it " "shows."}
OTHER = there_is_no_such_module.value
"""


def test_declarations_are_read_without_import(written):
    found = written(MODULE)
    assert found.declared == {
        "TITLE": "Extra",
        "TABLES": ("one", "two"),
        "SHOWN": ("one",),
        "FIGURES": {"drawn": "What it shows."},
    }
    assert found.files == [
        "tables/one.csv",
        "tables/two.csv",
        "tables/one.md",
        "tables/one.tex",
        "figures/drawn.svg",
        "figures/drawn.pdf",
        "figures/drawn.png",
        "figures/drawn.vl.json",
    ]
    assert "unlearning.extra" not in sys.modules


def test_what_is_not_declared_is_empty(written):
    found = written('TITLE = "Extra"\n')
    assert found.files == [] and found.figures == {} and found.title == "Extra"


def test_a_declaration_that_is_no_literal_is_refused(written):
    with pytest.raises(ValueError, match="malformed node"):
        _ = written('TITLE = "Extra"\nTABLES = tuple(NAMES)\n').declared


CONTENT = Content(
    csv={"one": pandas.DataFrame({"a": [1]}), "two": pandas.DataFrame({"b": [0.5]})},
    tables={"one": [Table("one", "One", [Column("a", "A")], [Row("x", [Cell("1", 1)])])]},
    figures={"drawn": Figure([], note="nothing")},
)


def test_what_is_made_is_written(written, tmp_path, quickly):
    write_files(written(MODULE), CONTENT, tmp_path)
    assert (tmp_path / "tables/one.csv").read_text() == "a\n1\n"
    assert (tmp_path / "tables/two.csv").read_text() == "b\n0.5\n"
    assert (tmp_path / "figures/drawn.svg").read_text() == "nothing"


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ('TABLES = ("one", "two")', "tables/one.csv"),
        ('SHOWN = ("one",)', "tables/one.tex"),
        ('FIGURES = {"drawn": "What it " "shows."}', "figures/drawn.pdf"),
    ],
)
def test_a_lost_declaration_is_an_error(written, tmp_path, quickly, lost, named):
    with pytest.raises(ValueError, match="section extra declares other files") as error:
        write_files(written(MODULE.replace(lost, "")), CONTENT, tmp_path)
    assert named in str(error.value)
    assert not (tmp_path / "tables").exists()


def test_a_declared_file_that_is_not_made_is_an_error(written, tmp_path, quickly):
    less = replace(CONTENT, csv={"one": CONTENT.csv["one"]})
    with pytest.raises(ValueError, match=r"other files than it makes: \['tables/two.csv'\]"):
        write_files(written(MODULE), less, tmp_path)


def test_a_full_report_has_the_files_that_its_sections_declare(report_folder, contents):
    declared = {name for section in sections_of("tofu") for name in section.files}
    found = {str(p.relative_to(report_folder)) for p in report_folder.rglob("*") if p.is_file()}
    whole = {"index.html", "results.csv", "results.parquet", "claims.json"}
    assert found == declared | whole
    assert [*contents] == [section.id for section in sections_of("tofu")]
    assert [name for name, content in contents.items() if content.empty] == []


def test_modules_declare_what_they_read_as_constants():
    """A declaration under another name, or in a branch, would be read by nobody."""
    for section in all_sections():
        tree = ast.parse(section.path.read_text("utf-8"))
        names = {"TITLE", "TABLES", "SHOWN", "FIGURES"}
        everywhere = [
            target.id
            for node in ast.walk(tree)
            for target in getattr(node, "targets", [])
            if isinstance(target, ast.Name) and target.id in names
        ]
        top = [
            node.targets[0].id
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in names
        ]
        assert everywhere == top and "TITLE" in top, section.module


SEEDS = '''"""How many seeds each model has."""

from unlearning.reporting.section import Content

TITLE = "Seeds"
TABLES = ("seeds",)


def content(report) -> Content:
    """A line for each label."""
    counts = report.results.models.groupby("label", sort=False)["seed"].count().reset_index()
    return Content({"seeds": counts}, words={"most": counts["seed"].max()})
'''


def test_a_section_is_added_as_one_module_and_one_template(tmp_path, monkeypatch, report, quickly):
    folder = tmp_path / "reporting" / "sections"
    shutil.copytree(HERE / "reporting" / "sections", folder)
    (folder / "seeds.py").write_text(SEEDS)
    (folder / "seeds.html.j2").write_text("<p>At most {{ most }} seeds.</p>\n")
    monkeypatch.setattr(sections_module, "HERE", tmp_path)
    monkeypatch.setattr(shared, "__path__", [*shared.__path__, str(folder)])
    parts = []
    for section in sections("tofu", ("overview", "seeds")):
        content = section.content(report)
        write_files(section, content, tmp_path)
        parts.append((section, content))
    written_page = page(report, parts, tmp_path)
    assert '<a href="#seeds">Seeds</a>' in written_page
    assert "<p>At most 3 seeds.</p>" in written_page
    lines = (tmp_path / "tables" / "seeds.csv").read_text().splitlines()
    assert lines[:3] == ["label,seed", "Target,1", "Retrained,2"]
    sys.modules.pop("unlearning.reporting.sections.seeds")

"""Sections of the page: what one is, and where its module and template lie.

A section `strata` is `sections/strata.py` with `sections/strata.html.j2` beside it, in the folder
of its benchmark or, if several benchmarks have it, in this one. Its module says

    TITLE     heading, and its name in the navigation
    TABLES    names of its CSV files
    SHOWN     names of the tables that it shows, written as Markdown and LaTeX too
    FIGURES   its figures: name -> what it shows, in a sentence
    content   content(report) -> Content

and page, files, captions and navigation follow. Snakemake must know the files before anything has
run and before a drawing library is loaded, so these lists are plain literals, read without import.
"""

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

    from unlearning.reporting.charts.specs import Panel
    from unlearning.reporting.tables import Table

HERE = Path(__file__).parents[1]
TABLE_FILES = ("md", "tex")  # beside the CSV, of tables that are shown
FIGURE_FILES = ("svg", "pdf", "png", "vl.json")


@dataclass(frozen=True)
class Figure:
    """Panels side by side. size: large, medium or small, on the page. note: what is missing and
    what to set, where something is."""

    panels: "list[Panel]"
    size: str = "large"
    columns: int = 2
    width: int = 330  # of a panel in the files
    note: str = ""


@dataclass(frozen=True)
class Content:
    """What a section shows; an empty one is left out of the page, but its files are written.

    csv: by the names in TABLES. tables: by those in SHOWN. figures: by those in FIGURES. words:
    further variables of its template. data: JSON for `scripts`, files of the page's folder.
    """

    csv: "Mapping[str, DataFrame]" = field(default_factory=dict)
    tables: "Mapping[str, list[Table]]" = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    scripts: tuple[str, ...] = ()
    empty: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a benchmark's page."""

    id: str
    package: str

    @cached_property
    def declared(self) -> dict[str, Any]:
        """The module's literals: TITLE, TABLES, SHOWN, FIGURES."""
        literals: dict[str, Any] = {"TABLES": (), "SHOWN": (), "FIGURES": {}}
        for node in ast.parse(self.path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Assign):
                continue
            name = ast.unparse(node.targets[0])
            if name in ("TITLE", *literals):
                literals[name] = ast.literal_eval(node.value)
        return literals

    @property
    def module(self) -> str:
        return f"{self.package}.{self.id}"

    @property
    def path(self) -> Path:
        """The file of its module."""
        # not by import: Snakemake asks before a drawing library is loaded
        return HERE.joinpath(*self.module.split(".")[1:]).with_suffix(".py")

    @property
    def template(self) -> Path:
        return self.path.with_suffix(".html.j2")

    @property
    def title(self) -> str:
        return self.declared["TITLE"]

    @property
    def figures(self) -> dict[str, str]:
        """Name -> what it shows."""
        return self.declared["FIGURES"]

    @property
    def files(self) -> list[str]:
        """The files that it writes, relative to the report's folder."""
        files = [f"tables/{name}.csv" for name in self.declared["TABLES"]]
        for name in self.declared["SHOWN"]:
            files += [f"tables/{name}.{kind}" for kind in TABLE_FILES]
        for name in self.declared["FIGURES"]:
            files += [f"figures/{name}.{kind}" for kind in FIGURE_FILES]
        return files

    def content(self, report) -> Content:
        """Its content, of a report.Report."""
        return importlib.import_module(self.module).content(report)


def sections(benchmark: str, ids: tuple[str, ...]) -> list[Section]:
    """The sections of a benchmark's page in their order, each from the benchmark's folder if it has
    one of that name, else from the shared ones."""
    listed = []
    for name in ids:
        section = Section(name, f"unlearning.benchmarks.{benchmark}.sections")
        if not section.path.is_file():
            section = Section(name, "unlearning.reporting.sections")
        listed.append(section)
    return listed

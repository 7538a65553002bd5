"""Shared rooms know no benchmark by name: what belongs to one lies in its folder."""

import ast
from pathlib import Path

import pytest
import unlearning
from folders import ROOT
from unlearning.benchmark import SOURCES, WITHOUT_DATA, Benchmark, benchmark_of, folder_of
from unlearning.config.schema import schema_for

PACKAGE = Path(unlearning.__file__).parent
FOLDERS = [
    path.name for path in (PACKAGE / "benchmarks").iterdir() if (path / "schema.yaml").exists()
]
SHARED = [path for path in PACKAGE.rglob("*.py") if "benchmarks" not in path.parts]
NAMES = {*SOURCES, *WITHOUT_DATA, *(source for names in SOURCES.values() for source in names)}


def test_every_folder_has_its_line():
    assert sorted(FOLDERS) == sorted([*SOURCES, *WITHOUT_DATA])


def test_every_source_finds_its_folder_and_schema():
    for source in (source for names in SOURCES.values() for source in names):
        benchmark = benchmark_of(source)
        assert isinstance(benchmark, Benchmark)
        assert benchmark.name == folder_of(source)
        section = schema_for({"data": {"source": source}}, ROOT)["properties"]["data"]
        assert section["additionalProperties"] is False
        assert all("description" in rule for rule in section["properties"].values())


@pytest.mark.parametrize("path", SHARED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_shared_module_names_no_benchmark(path):
    """It neither imports one nor compares anything with a name."""
    compared = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("unlearning.benchmarks"), node.module
        if isinstance(node, ast.Import):
            assert not any(a.name.startswith("unlearning.benchmarks") for a in node.names)
        if isinstance(node, ast.Compare):
            sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            compared += [part.value for part in sides if isinstance(part, ast.Constant)]
        if isinstance(node, ast.MatchValue):
            compared.append(getattr(node.value, "value", None))
    assert not NAMES & {value for value in compared if isinstance(value, str)}

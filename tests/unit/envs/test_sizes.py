"""Files and functions stay readable: at most 300 lines a file, 60 a function."""

import ast

from folders import ROOT

FOLDERS = ("workflow", "rules", "tests", "benchmarks", "reports/page")
ENDINGS = {".py", ".smk", ".j2", ".js", ".css"}


def sources():
    found = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in ENDINGS]
    assert len(found) > 80
    return found


def test_no_file_over_300_lines():
    long = {str(p): n for p in sources() if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_no_function_over_60_lines():
    long = {}
    for path in sources():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                    long[f"{path}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert not long

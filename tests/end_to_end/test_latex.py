"""The report's LaTeX tables, compiled as a paper would."""

import shutil
import subprocess

import pytest
from report_world import complete_config, make_report, write_world

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage[a3paper,landscape]{geometry}
\begin{document}
%s
\end{document}
"""


def can_compile() -> bool:
    """Whether pdflatex and booktabs are here; tests/unit/reporting/test_tables.py checks the same
    tables without them."""
    if not (shutil.which("pdflatex") and shutil.which("kpsewhich")):
        return False
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_compile(), reason="no pdflatex with booktabs (texlive)")
def test_every_table_compiles(tmp_path):
    config = complete_config(tmp_path / "results", methods={"GA": {}, "NPO+RT": {"beta": [0.1, 1]}})
    write_world(config)
    report = make_report(config, tmp_path / "report")
    tables = sorted((report / "tables").glob("*.tex"))
    assert {"main.tex", "further.tex", "cost.tex", "strata.tex"} <= {path.name for path in tables}
    inputs = "\n".join(path.read_text(encoding="utf-8") for path in tables)
    (tmp_path / "tables.tex").write_text(DOCUMENT % inputs, encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000

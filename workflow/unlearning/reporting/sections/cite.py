"""What to cite: the papers of the benchmark and of the methods that ran, and this software."""

from unlearning.benchmark import room
from unlearning.reporting.citations import of_methods, software, text_of
from unlearning.reporting.section import Content

TITLE = "Cite"


def content(report) -> Content:
    """BibTeX of the benchmark's `columns.CITED`, of the methods, of the tools, of this software."""
    methods = report.results.models["method"].unique().tolist()
    keys = [*room(report.experiment.benchmark.name, "columns").CITED, *of_methods(methods)]
    if report.results.tasks:
        keys.append("lm-evaluation-harness")
    bibtex = "\n".join([*map(text_of, dict.fromkeys(keys)), software()])
    return Content(words={"bibtex": bibtex})

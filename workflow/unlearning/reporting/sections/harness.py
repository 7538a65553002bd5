"""Accuracies and other numbers of tasks of lm-evaluation-harness: model x task."""

from unlearning.reporting.frame import MODEL, finals, wide
from unlearning.reporting.section import Content
from unlearning.reporting.sections.results import metric_table

TITLE = "Harness"
TABLES = ("harness",)
SHOWN = ("harness",)


def content(report) -> Content:
    """Empty where the experiment asks for no task."""
    results = report.results
    models = finals(report.frame)
    csv = wide(models, MODEL, results.tasks)
    tables = []
    for split in results.splits if results.tasks else []:
        caption = f"Harness tasks on {split}"
        rows = models[models["split"] == split]
        tables.append(metric_table(report, f"harness-{split}", caption, rows, results.tasks))
    settings = report.experiment.config["harness"]
    words = {"documents": results.documents, "versions": results.versions}
    words |= {"examples": settings["num_fewshot"], "chat": settings["chat_template"]}
    return Content({"harness": csv}, {"harness": tables}, words=words, empty=not results.tasks)

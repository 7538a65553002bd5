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
    shown = []
    for split in results.splits if results.tasks else []:
        caption = f"Harness tasks on {split}"
        here = models[models["split"] == split]
        shown.append(metric_table(report, f"harness-{split}", caption, here, results.tasks))
    asked = report.experiment.config["harness"]
    words = {"documents": results.documents, "versions": results.versions}
    words |= {"examples": asked["num_fewshot"], "chat": asked["chat_template"]}
    return Content({"harness": csv}, {"harness": shown}, words=words, empty=not results.tasks)

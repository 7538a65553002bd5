"""What was run, in words, and how many claims held."""

from unlearning.reporting.claims.view import counts
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.section import Content

TITLE = "Overview"


def content(report) -> Content:
    """The benchmark tells its story in results.details: lead and notes."""
    experiment, models = report.experiment, report.results.models
    evaluated = (~models["method"].isin([TARGET, RETRAIN])).sum()
    if experiment.on_language_model:
        planned = sum(len(draw.cells()) for draw in experiment.draws)
    else:
        planned = len(experiment.jobs())
    details = report.results.details
    notes = [*details["notes"], *cut_notes(report.results)]
    words = {"lead": details["lead"], "notes": notes, "planned": planned}
    # a synthetic job is many runs, so there the benchmark counts jobs itself
    words |= {"evaluated": details.get("evaluated", evaluated), "counts": counts(report.claims)}
    return Content(words=words)


def cut_notes(results) -> list[str]:
    """Which numbers are of beginnings of answers, because limits of evaluation cut the rest."""
    notes = []
    for split, flags in results.details.get("cut", {}).items():
        limits = results.experiment.config["evaluation"]
        cut, rows = flags["answer_cut"]
        if cut:
            notes.append(
                f"{split}: {cut} of {rows} true answers are longer than evaluation.max_length, "
                f"{limits['max_length']} tokens with their question, and are measured on their "
                "beginning alone."
            )
        cut, rows = flags["generation_cut"]
        if cut:
            prompt = "with" if limits["generation_counts"] == "total" else "without"
            notes.append(
                f"{split}: {cut} of {rows} questions can get no answer as long as the true one, "
                f"for evaluation.generation_tokens is {limits['generation_tokens']} {prompt} the "
                "prompt; that lowers ROUGE-L recall of every model."
            )
    return notes

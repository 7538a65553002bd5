"""Every run at the epoch that the released stopping rule would choose."""

import pandas

from unlearning.benchmarks.muse.files import FORGET
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.reporting.frame import COURSE, MODEL, finals, wide
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.section import Content
from unlearning.reporting.sections.results import metric_row
from unlearning.reporting.tables import Cell, Column, Table, columns, counts

TITLE = "At the selected epoch"
TABLES = ("selected",)
SHOWN = ("selected",)


def content(report) -> Content:
    """Empty where runs were not evaluated on the way."""
    frame = report.frame[report.frame["split"] == FORGET]
    models = finals(frame)
    judges = models[(models["method"] == RETRAIN) & (models["metric"] == "knowmem_f")]
    borders = judges.groupby("draw")["value"].mean()
    chosen = first_to_forget(frame[frame["phase"] == COURSE], borders)
    keys = [name for name in METRICS if name in set(models["metric"])]
    references = models[models["method"].isin([TARGET, RETRAIN])]
    rows = []
    for _, own in pandas.concat([references, chosen]).groupby("label", sort=False):
        epochs = own.drop_duplicates(["draw", "run"])["epoch"].dropna()
        text = ", ".join(f"{epoch:g}" for epoch in epochs) or "–"
        rows.append(
            metric_row(report, own, keys, [Cell(text, epochs.mean() if len(epochs) else None)])
        )
    heads = [
        Column("epochs", "Epochs"),
        *columns(keys, report.results.metrics),
        counts(report.unit),
    ]
    table = Table("selected", "At the selected epoch", heads, rows)
    csv = wide(chosen, [*MODEL, "epoch"], METRICS)
    empty = not report.experiment.config["unlearn"]["trajectory"]
    return Content({"selected": csv}, {"selected": [table]}, empty=empty)


def first_to_forget(course: pandas.DataFrame, borders: pandas.Series) -> pandas.DataFrame:
    """Rows of each run at the first epoch whose KnowMem on the forget set is not above the border,
    the mean of its draw's retrained models; the last one if none is. borders: by draw."""
    run = ["draw", "run"]
    after = course[course["epoch"] > 0]
    scores = after[after["metric"] == "knowmem_f"].sort_values("epoch", kind="stable")
    last = scores.groupby(run, sort=False)["epoch"].transform("max")
    below = scores["value"] <= scores["draw"].map(borders)
    fitting = scores[below | (scores["epoch"] == last)]
    epochs = fitting.drop_duplicates(run)[[*run, "epoch"]]
    return after.merge(epochs, on=[*run, "epoch"])

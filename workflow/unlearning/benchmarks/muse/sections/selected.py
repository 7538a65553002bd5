"""Section of every run at the epoch that MUSE's released stopping rule selects."""

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
    retrained = models[(models["method"] == RETRAIN) & (models["metric"] == "knowmem_f")]
    thresholds = retrained.groupby("draw")["value"].mean()
    selected = first_to_forget(frame[frame["phase"] == COURSE], thresholds)
    present = set(models["metric"])
    keys = [name for name in METRICS if name in present]
    baselines = models[models["method"].isin([TARGET, RETRAIN])]
    rows = []
    for _, values in pandas.concat([baselines, selected]).groupby("label", sort=False):
        # The runs of a variant may stop at different epochs: all are named.
        epochs = values.drop_duplicates(["draw", "run"])["epoch"].dropna()
        text = ", ".join(f"{epoch:g}" for epoch in epochs) or "–"
        cell = Cell(text, epochs.mean() if len(epochs) else None)
        rows.append(metric_row(report, values, keys, [cell]))
    heads = [Column("epochs", "Epochs"), *columns(keys, report.results.metrics)]
    heads.append(counts(report.unit))
    table = Table("selected", "At the selected epoch", heads, rows)
    csv = wide(selected, [*MODEL, "epoch"], METRICS)
    empty = not report.experiment.config["unlearn"]["trajectory"]
    return Content({"selected": csv}, {"selected": [table]}, empty=empty)


def first_to_forget(trajectories: pandas.DataFrame, thresholds: pandas.Series) -> pandas.DataFrame:
    """Rows of each run at its first epoch whose KnowMem_f is not above the threshold, the mean of
    its draw's retrained models; at its last epoch if there is none. thresholds: by draw."""
    run = ["draw", "run"]  # a run's folder has the same name in each draw
    trained = trajectories[trajectories["epoch"] > 0]  # epoch 0 is the target
    scores = trained[trained["metric"] == "knowmem_f"].sort_values("epoch", kind="stable")
    last = scores.groupby(run, sort=False)["epoch"].transform("max")
    below = scores["value"] <= scores["draw"].map(thresholds)
    candidates = scores[below | (scores["epoch"] == last)]
    epochs = candidates.drop_duplicates(run)[[*run, "epoch"]]
    return trained.merge(epochs, on=[*run, "epoch"])

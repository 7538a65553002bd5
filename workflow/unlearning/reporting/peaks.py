"""Take variants at the epoch of their peak forget quality, as the NPO paper does.

One epoch is chosen for a variant, not one for each seed: of the evaluated epochs the one with the
highest mean log10 FQ over its seeds, the earliest if several have it. The metric that chooses it is
the one that it is then judged by, so a peak is optimistic, unlike the last epoch
(reporting/selection.py corrects it).
"""

import pandas

from unlearning.reporting.frame import COURSE, LOG10, MODEL, VARIANT, units

QUALITY = f"{LOG10}forget_quality"


def states(frame: pandas.DataFrame, phase: str = COURSE) -> pandas.DataFrame:
    """Rows of every run at every evaluated epoch of its variant. phase: COURSE or AGAINST.

    A run that collapsed has no later epochs, so its last values are repeated there: otherwise the
    mean over seeds would be that of the surviving runs. The epoch of a collapse itself, at which
    no other run was evaluated, is left out.
    """
    course = frame[frame["phase"] == phase]
    runs = course.groupby(MODEL, sort=False)
    ends = runs.agg(end=("epoch", "max"), collapses=("collapsed", "any"))
    last = ends.groupby(VARIANT, sort=False)["end"].max()
    ended = course.join(ends, on=MODEL).join(last.rename("last"), on=VARIANT)
    # a run that ends early without a collapse lacks its evaluation, which nothing stands for
    collapsed = ended["collapses"] & (ended["end"] < ended["last"])
    rows = ended[~collapsed | (ended["epoch"] < ended["end"])]
    # the last values of collapsed runs, at each epoch that other runs of the variant reached
    final = ended[collapsed & (ended["epoch"] == ended["end"])]
    epochs = rows[[*VARIANT, "epoch"]].drop_duplicates()
    frozen = final.drop(columns="epoch").merge(epochs, on=VARIANT)
    frozen = frozen[frozen["epoch"] >= frozen["end"]]
    return pandas.concat([rows, frozen]).drop(columns=["end", "collapses", "last"])


def peaks(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The peak epoch and the last epoch of each variant: columns VARIANT, epoch, last.

    Variants that were evaluated at a single epoch have none to choose from and are left out.
    """
    course = states(frame)
    quality = course[(course["metric"] == QUALITY) & (course["epoch"] > 0)]
    # epoch 0 is the target; at it log10 FQ says nothing of the method
    moments = [*VARIANT, "epoch"]
    means = units(quality, moments).groupby(moments, sort=False)["value"].mean().reset_index()
    means["last"] = means.groupby(VARIANT)["epoch"].transform("max")
    several = means.groupby(VARIANT)["epoch"].transform("nunique") > 1
    ordered = means[several].sort_values(["value", "epoch"], ascending=[False, True])
    best = ordered.drop_duplicates(VARIANT)  # the first of each variant
    # back to the order of the frame
    order = frame[VARIANT].drop_duplicates()
    return order.merge(best[[*VARIANT, "epoch", "last"]], on=VARIANT)


def at_peak(frame: pandas.DataFrame, column: str = "epoch") -> pandas.DataFrame:
    """Rows of the frame at each variant's peak, or at its `last` epoch."""
    epochs_of_peaks = peaks(frame)[[*VARIANT, column]].rename(columns={column: "epoch"})
    return states(frame).merge(epochs_of_peaks, on=[*VARIANT, "epoch"])

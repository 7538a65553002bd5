"""Variants at the epoch of their peak forget quality, as the NPO paper takes them.

The epoch is chosen for a variant, not for each seed: the evaluated one with the highest mean log10
FQ over its seeds (the earliest of several). It is chosen by the metric that it is then judged on,
so a peak is optimistic; the last epoch is not.
"""

import pandas

from unlearning.reporting.frame import COURSE, LOG10, MODEL, VARIANT, units

QUALITY = f"{LOG10}forget_quality"


def states(frame: pandas.DataFrame, phase: str = COURSE) -> pandas.DataFrame:
    """Rows of every run at every epoch that a run of its variant reached in full, on its course or
    in phase `against`.

    A run that ended early, in a collapse, keeps its last state: it counts at later epochs as it
    was. No state stands at the odd epoch where only such a run was evaluated.
    """
    course = frame[frame["phase"] == phase]
    ends = course.groupby(MODEL, sort=False)["epoch"].max()
    last = ends.groupby(VARIANT, sort=False).max()
    ended = course.join(ends.rename("end"), on=MODEL).join(last.rename("last"), on=VARIANT)
    early = ended["end"] < ended["last"]
    rows = ended[~early | (ended["epoch"] < ended["end"])]
    final = ended[early & (ended["epoch"] == ended["end"])]
    epochs = rows[[*VARIANT, "epoch"]].drop_duplicates()
    frozen = final.drop(columns="epoch").merge(epochs, on=VARIANT)
    frozen = frozen[frozen["epoch"] >= frozen["end"]]
    return pandas.concat([rows, frozen]).drop(columns=["end", "last"])


def peaks(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The epoch of each variant's peak, and its last: columns VARIANT, epoch, last.

    Only of variants that were evaluated on the way; the others have no epochs to choose from.
    """
    course = states(frame)
    quality = course[(course["metric"] == QUALITY) & (course["epoch"] > 0)]
    moments = [*VARIANT, "epoch"]
    means = units(quality, moments).groupby(moments, sort=False)["value"].mean().reset_index()
    means["last"] = means.groupby(VARIANT)["epoch"].transform("max")
    several = means.groupby(VARIANT)["epoch"].transform("nunique") > 1
    ordered = means[several].sort_values(["value", "epoch"], ascending=[False, True])
    best = ordered.drop_duplicates(VARIANT)
    order = frame[VARIANT].drop_duplicates()
    return order.merge(best[[*VARIANT, "epoch", "last"]], on=VARIANT)


def at_peak(frame: pandas.DataFrame, column: str = "epoch") -> pandas.DataFrame:
    """Rows of the frame at each variant's peak, or at its `last` epoch."""
    epochs_of_peaks = peaks(frame)[[*VARIANT, column]].rename(columns={column: "epoch"})
    return states(frame).merge(epochs_of_peaks, on=[*VARIANT, "epoch"])

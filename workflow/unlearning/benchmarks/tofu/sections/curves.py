"""Curves over epochs of forget quality and utility: means over seeds, and the seeds."""

import altair
import pandas

from unlearning.benchmarks.tofu.sections.marks import TOOLTIP, marks
from unlearning.reporting.charts.palette import Style, channels
from unlearning.reporting.charts.specs import emphasis, inline_data
from unlearning.reporting.frame import RUN

MOST_RUNS = 200


def curves(rows: pandas.DataFrame, means: pandas.DataFrame, styles: dict[str, Style], x, y, *below):
    """Mean curves with points; seeds as faint lines, on the page only for a chosen variant, and
    only of an experiment with MOST_RUNS runs at most, beyond which they are a grey cloud.

    rows: of the frame, every run at its epochs. means: what is averaged, where a run that collapsed
    early keeps its last state. x, y: altair's channels.
    """
    # A mark needs what it is drawn by; every mark has an epoch.
    fields = [channel.shorthand.partition(":")[0] for channel in (y, x)]
    fields = [name for name in fields if name != "epoch"]
    averaged = marks(means, ["epoch"], fields)
    last = means.groupby("label")["epoch"].max()
    for mark in averaged:
        mark["last"] = bool(mark["epoch"] == last[mark["label"]])  # its point is drawn larger
    look = channels(styles, averaged)
    order = altair.Order("epoch:Q")  # else lines go from left to right, and a path may turn back
    few = len(rows.drop_duplicates(["split", "label", *RUN])) <= MOST_RUNS
    each = marks(rows, [*RUN, "epoch"], fields) if few else []
    seeds = altair.Chart(inline_data(each))
    mean = altair.Chart(inline_data(sorted(averaged, key=lambda mark: mark["epoch"])))
    tooltip = [*TOOLTIP[:2], altair.Tooltip("epoch:Q", title="Epoch", format=".3~g"), *TOOLTIP[2:]]
    size = altair.SizeValue(26, condition={"test": "datum.last", "value": 64})
    return altair.layer(
        *below,
        seeds.mark_line(strokeWidth=1).encode(
            x=x, y=y, order=order, detail="seed:N", opacity=emphasis(0.25, 0, 0.6, page=0), **look
        ),
        mean.mark_line(strokeWidth=2.2).encode(
            x=x, y=y, order=order, opacity=emphasis(0.95, 0.1), **look
        ),
        mean.mark_point(filled=True).encode(
            x=x, y=y, tooltip=tooltip, opacity=emphasis(1, 0.1), color=look["color"], size=size
        ),
    )

"""Marks of figures that show forget quality and utility, from rows of the frame."""

from collections.abc import Iterable

import altair
import pandas

from unlearning.reporting.charts.bands import short
from unlearning.reporting.frame import unit_of, units
from unlearning.reporting.inference import DRAW
from unlearning.reporting.labels import p_value, run_title

FIELDS = {"log10_forget_quality": "log10_fq", "model_utility": "mu"}
TOOLTIP = [
    altair.Tooltip("label:N", title="Model"),
    altair.Tooltip("seed:N", title="Seed"),
    altair.Tooltip("fq_text:N", title="Forget quality"),
    altair.Tooltip("log10_fq:Q", title="log10 FQ", format=".2f"),
    altair.Tooltip("mu:Q", title="Model utility", format=".3f"),
]


def marks(
    rows: pandas.DataFrame, by: list[str], fields: Iterable[str] = ("log10_fq",)
) -> list[dict]:
    """One mark for each group: the columns in `by`, log10 FQ and MU as far as measured, and
    whether several seeds or draws are averaged in it (`seed`). Groups without one of `fields` have
    none.

    by: with RUN, each run; without, means over draws if there are several, else over seeds.
    """
    keys = list(dict.fromkeys(["label", *by]))
    values_per_unit, unit = units(rows[rows["metric"].isin(FIELDS)], keys), unit_of(rows, keys)
    values = values_per_unit.groupby([*keys, "metric"], sort=False)["value"].agg(["mean", "count"])
    marks_by_group: dict[tuple, dict] = {}
    # One mark holds both metrics, which a chart draws against each other.
    for (*key, metric), (mean, count) in zip(values.index, values.to_numpy(), strict=True):
        mark = marks_by_group.setdefault(tuple(key), dict(zip(keys, key, strict=True)))
        mark[FIELDS[metric]] = mean
        if "seed" not in keys:
            mark["seed"] = f"mean of {int(count)}" + (" draws" if unit == DRAW else "")
    complete = []
    for mark in marks_by_group.values():
        if "log10_fq" in mark:
            quality = 10 ** mark["log10_fq"]  # the geometric mean, as everywhere
            mark |= {"log10_fq": short(mark["log10_fq"]), "fq_text": p_value(quality)}
        if "mu" in mark:
            mark["mu"] = short(mark["mu"])
        if "draw" in mark:
            mark["seed"] = run_title(mark.pop("draw"), mark["seed"])
        # a mark needs all that it is drawn by
        if set(fields) <= mark.keys():
            complete.append(mark)
    return complete

"""All numbers of an experiment as one tidy frame, and how they are averaged.

A row is one metric of one model at one moment. Everything that the report shows follows from it;
results.parquet and results.csv hold it for further analyses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy
import pandas

from unlearning.evaluation.metrics import LOG10
from unlearning.reporting.inference import DRAW, SEED, half_width
from unlearning.reporting.labels import RETRAIN, TARGET

COLUMNS = {
    "split": "forget split; of a synthetic experiment the study and its setting",
    "method": "`target`, `retrain` or the unlearning method",
    "variant": "hyper-parameters as the folder of the run spells them; empty for references",
    "label": "method and hyper-parameters as the report names them",
    "seed": "seed of the run",
    "draw": "number of the draw of everything that is random before unlearning",
    "run": "folder of the run under its split",
    "phase": "`final`: the finished model; `course`: on the way, from the target at epoch 0 to the "
    "finished model; `relearn`: after a relearning attack's epochs; `against`: as `course`, beside "
    "one retrained model, where there are several",
    "attack": "relearning attack, or empty",
    "reference": "run of the retrained model in rows of phase `against`, else empty",
    "epoch": "epochs passed; empty for references",
    "step": "gradient steps passed; empty for references",
    "collapsed": "whether the run diverged or ended without any utility",
    "metric": "name of the metric",
    "value": "its value, mean over the retrained models where it compares with them; in phase "
    "`against` that beside one of them",
}
FINAL, COURSE, RELEARN, AGAINST = "final", "course", "relearn", "against"
VARIANT = ["split", "method", "variant", "label"]
RUN = ["draw", "seed"]  # tells the runs of a variant apart
MODEL = [*VARIANT, *RUN]


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and 95% interval of n values, of draws if there are several, else of
    seeds; of a single one there is a mean alone.

    Of a geometric mean the standard deviation is a factor: one deviation is mean × sd, mean / sd.
    """

    mean: float
    sd: float | None
    n: int
    low: float | None
    high: float | None


def tidy(rows: Iterable[tuple]) -> pandas.DataFrame:
    """The frame of rows in the order of COLUMNS; values that are None are left out."""
    frame = pandas.DataFrame(rows, columns=[*COLUMNS])
    frame = frame[frame["value"].notna()]
    return frame.astype({"value": float, "epoch": float, "step": float, "collapsed": bool})


def finals(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The finished models' own metrics, without what attacks did to them."""
    return frame[(frame["phase"] == FINAL) & (frame["attack"] == "")]


def geometric(metrics: Iterable[str]) -> set[str]:
    """The metrics that are averaged on the log scale: those whose logarithm is a metric as well.

    The geometric mean is the natural one of p-values: the arithmetic one is that of the luckiest
    seed. It is 10 to the mean of the logarithms, so that both columns of a table agree.
    """
    names = set(metrics)
    return {name for name in names if LOG10 + name in names}


def unit_of(values: pandas.DataFrame, by: Sequence[str] = ()) -> str:
    """The unit that rows of the frame are averaged over and counted by: draws if they are of
    several and `by` does not separate them, because the runs of a draw are not independent; else
    seeds."""
    return DRAW if "draw" not in by and values["draw"].nunique() > 1 else SEED


def units(values: pandas.DataFrame, by: list[str], unit: str | None = None) -> pandas.DataFrame:
    """A value of each unit for each group and metric: of several draws the mean of each draw, else
    the rows themselves. No p-values: their logarithms (see `geometric`)."""
    if (unit or unit_of(values, by)) == SEED:
        return values
    keys = [*by, "metric", "draw"]
    return values.groupby(keys, sort=False, dropna=False)["value"].mean().reset_index()


def average(values: pandas.DataFrame, by: list[str], unit: str | None = None) -> pandas.DataFrame:
    """A row for each group and metric: mean, sd (n - 1), n, unit, and the 95% Student t interval,
    over draws if there are several, else over seeds.

    values: rows of the frame. by: columns that tell groups apart. unit: that of the whole frame,
    where these rows are a part of it that may have a single draw. Groups keep their order.
    """
    keys = [*by, "metric"]
    logs = geometric(values["metric"].unique())
    unit = unit or unit_of(values, by)
    table = (
        units(values[~values["metric"].isin(logs)], by, unit)
        .groupby(keys, sort=False, dropna=False)["value"]
        .agg(["mean", "std", "count"])
        .rename(columns={"std": "sd", "count": "n"})
        .reset_index()
    )
    half = half_width(table["sd"], table["n"])
    table["unit"] = unit
    table["low"], table["high"] = table["mean"] - half, table["mean"] + half
    table["average"] = "arithmetic"
    powers = table[table["metric"].isin([LOG10 + name for name in logs])].copy()
    powers["metric"] = powers["metric"].str.removeprefix(LOG10)
    moments = ["mean", "sd", "low", "high"]
    powers[moments] = numpy.power(10.0, powers[moments])
    powers["average"] = "geometric"
    groups = values[by].drop_duplicates()
    return groups.merge(pandas.concat([powers, table]), on=by, how="left", sort=False)


def spreads(
    values: pandas.DataFrame, by: list[str], unit: str | None = None
) -> dict[tuple, dict[str, Spread]]:
    """Group -> metric -> its spread, of `average`."""
    by_group: dict[tuple, dict[str, Spread]] = {}
    table = average(values, by, unit)
    columns = [table[name] for name in ("metric", "mean", "sd", "n", "low", "high")]
    keys = table[by].itertuples(index=False, name=None)
    for group, metric, mean, *rest in zip(keys, *columns, strict=True):
        sd, n, low, high = rest
        # a single value has a mean alone
        spread = Spread(mean, None, n, None, None) if isnan(sd) else Spread(mean, sd, n, low, high)
        by_group.setdefault(group, {})[metric] = spread
    return by_group


def wide(values: pandas.DataFrame, keys: list[str], metrics: Iterable[str]) -> pandas.DataFrame:
    """A row for each key and a column for each metric, in the order given; gaps where there is
    no value."""
    names = list(dict.fromkeys(metrics))
    present = values[values["metric"].isin(names)]
    table = present.set_index([*keys, "metric"])["value"].unstack("metric")
    order = pandas.MultiIndex.from_frame(values[keys].drop_duplicates())
    return table.reindex(index=order, columns=names).reset_index()


def relearned(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of the metric relearning_log10_drop: log10 FQ of the unlearned model minus that after
    the last epoch of each attack."""
    quality = frame[frame["metric"] == "log10_forget_quality"]
    attacked = quality[quality["phase"] == RELEARN]
    last = attacked.drop_duplicates([*MODEL, "attack"], keep="last")
    before = finals(quality).set_index(MODEL)["value"].rename("before")
    rows = last.join(before, on=MODEL, how="inner")
    rows["value"] = rows.pop("before") - rows["value"]
    return rows.assign(phase=FINAL, metric="relearning_log10_drop")


def each_comparison(frame: pandas.DataFrame, metrics: Iterable[str]) -> pandas.DataFrame:
    """Rows of the finished unlearned models: a metric beside each retrained model where there are
    several, else as it is."""
    frame = frame[frame["metric"].isin([*metrics]) & ~frame["method"].isin([TARGET, RETRAIN])]
    return beside_or_mean(finished_against(frame), finals(frame))


def beside_or_mean(beside: pandas.DataFrame, means: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of phase `against`, and of the runs and metrics that have none, such as those of a draw
    with one retrained model, the rows of their means."""
    keys = [*MODEL, "metric"]
    present = pandas.MultiIndex.from_frame(beside[keys])
    return pandas.concat([beside, means[~pandas.MultiIndex.from_frame(means[keys]).isin(present)]])


def cube(rows: pandas.DataFrame) -> numpy.ndarray:
    """(draws, retrained models, seeds) values of one variant and metric, of each_comparison; nan at
    the end where a draw has fewer."""
    tables = []
    for _, draw in rows.groupby("draw", sort=False):
        tables.append(draw.pivot(index="reference", columns="seed", values="value").to_numpy())
    references, seeds = numpy.max([table.shape for table in tables], axis=0)
    values = numpy.full((len(tables), references, seeds), numpy.nan)
    for number, table in enumerate(tables):
        values[number, : table.shape[0], : table.shape[1]] = table
    return values


def finished_against(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of the finished models beside each retrained model: the last ones of each run."""
    rows = frame[frame["phase"] == AGAINST]
    return rows.drop_duplicates([*MODEL, "run", "reference", "metric"], keep="last")

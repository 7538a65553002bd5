"""All numbers of an experiment as one tidy pandas frame, and their averages.

A row is one metric of one model at one moment. Everything in the report is computed from the frame,
which is saved as results.parquet and results.csv for further analyses.
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
    """Mean, standard deviation and 95% interval (low, high) of n values.

    The values are of draws if there are several, else of seeds. A single value has only a mean. For
    a geometric mean the deviation is a factor: one deviation goes from mean / sd to mean × sd.
    """

    mean: float
    sd: float | None
    n: int
    low: float | None
    high: float | None


def tidy(rows: Iterable[tuple]) -> pandas.DataFrame:
    """The frame of rows, whose fields are in the order of COLUMNS; rows without a value are
    dropped."""
    frame = pandas.DataFrame(rows, columns=[*COLUMNS])
    frame = frame[frame["value"].notna()]
    # without a single number, as epochs of references alone, a column would be one of objects
    return frame.astype({"value": float, "epoch": float, "step": float, "collapsed": bool})


def finals(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of finished models, without those of relearning attacks."""
    return frame[(frame["phase"] == FINAL) & (frame["attack"] == "")]


def geometric(metrics: Iterable[str]) -> set[str]:
    """The metrics that are averaged on the log scale: those whose logarithm is a metric too.

    These are p-values, whose arithmetic mean is about that of the luckiest seed. The geometric mean
    is 10 to the mean of the logarithms, so the columns of FQ and log10 FQ in a table agree.
    """
    names = set(metrics)
    return {name for name in names if LOG10 + name in names}


def unit_of(values: pandas.DataFrame, by: Sequence[str] = ()) -> str:
    """What values are averaged over and counted by: draws or seeds.

    Draws, if the values are of several and `by` does not separate them, because runs of one draw
    are not independent; else seeds.
    """
    return DRAW if "draw" not in by and values["draw"].nunique() > 1 else SEED


def units(values: pandas.DataFrame, by: list[str], unit: str | None = None) -> pandas.DataFrame:
    """One value for each unit, group and metric: each draw's mean, or the rows themselves if the
    unit is the seed. values: logarithms in place of p-values (see `geometric`)."""
    if (unit or unit_of(values, by)) == SEED:
        return values
    # Runs of one draw share its target and retrained models, so they are no independent values.
    # Each draw has one vote, whatever number of seeds finished in it.
    keys = [*by, "metric", "draw"]
    return values.groupby(keys, sort=False, dropna=False)["value"].mean().reset_index()


def average(values: pandas.DataFrame, by: list[str], unit: str | None = None) -> pandas.DataFrame:
    """A row for each group and metric: mean, sd (n - 1), n, unit, 95% Student t interval, average.

    values: rows of the frame. by: columns that tell groups apart; groups keep their order. unit:
    unit_of() the whole frame, if `values` are a part of it that may have a single draw.
    """
    keys = [*by, "metric"]
    logs = geometric(values["metric"].unique())
    unit = unit or unit_of(values, by)
    numbers = units(values[~values["metric"].isin(logs)], by, unit)
    groups = numbers.groupby(keys, sort=False, dropna=False)["value"]
    table = groups.agg(mean="mean", sd="std", n="count").reset_index()
    half = half_width(table["sd"], table["n"])
    table["unit"] = unit
    table["low"], table["high"] = table["mean"] - half, table["mean"] + half
    table["average"] = "arithmetic"
    # geometric means follow from the averages of the logarithms
    powers = table[table["metric"].isin([LOG10 + name for name in logs])].copy()
    powers["metric"] = powers["metric"].str.removeprefix(LOG10)
    moments = ["mean", "sd", "low", "high"]
    powers[moments] = numpy.power(10.0, powers[moments])
    powers["average"] = "geometric"
    # a left merge keeps the groups' order
    order = values[by].drop_duplicates()
    return order.merge(pandas.concat([powers, table]), on=by, how="left", sort=False)


def spreads(
    values: pandas.DataFrame, by: list[str], unit: str | None = None
) -> dict[tuple, dict[str, Spread]]:
    """Group -> metric -> its spread; arguments as in average()."""
    by_group: dict[tuple, dict[str, Spread]] = {}
    table = average(values, by, unit)[[*by, "metric", "mean", "sd", "n", "low", "high"]]
    for *group, metric, mean, sd, n, low, high in table.itertuples(index=False, name=None):
        # a single value has a mean alone
        spread = Spread(mean, None, n, None, None) if isnan(sd) else Spread(mean, sd, n, low, high)
        by_group.setdefault(tuple(group), {})[metric] = spread
    return by_group


def wide(values: pandas.DataFrame, keys: list[str], metrics: Iterable[str]) -> pandas.DataFrame:
    """A row for each key and a column for each metric, in the order of the arguments; NaN where
    there is no value."""
    names = list(dict.fromkeys(metrics))  # a column that is named twice cannot be reindexed
    present = values[values["metric"].isin(names)]
    # unstack() sorts rows and columns, so the order of the arguments is restored after it
    table = present.set_index([*keys, "metric"])["value"].unstack("metric")
    order = pandas.MultiIndex.from_frame(values[keys].drop_duplicates())
    return table.reindex(index=order, columns=names).reset_index()


def relearned(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of the metric relearning_log10_drop for each attack: log10 FQ of the unlearned model
    minus log10 FQ after the attack's last epoch."""
    quality = frame[frame["metric"] == "log10_forget_quality"]
    attacked = quality[quality["phase"] == RELEARN]
    # rows of a trajectory follow each other in the order of its epochs
    last = attacked.drop_duplicates([*MODEL, "attack"], keep="last")
    before = finals(quality).set_index(MODEL)["value"].rename("before")
    rows = last.join(before, on=MODEL, how="inner")
    rows["value"] = rows.pop("before") - rows["value"]
    return rows.assign(phase=FINAL, metric="relearning_log10_drop")


def each_comparison(frame: pandas.DataFrame, metrics: Iterable[str]) -> pandas.DataFrame:
    """Rows of the finished unlearned models: of a metric that compares with several retrained
    models one row for each of these, of other metrics the row as it is."""
    # references have no unlearning seed, one of the levels that the variance is split into
    frame = frame[frame["metric"].isin([*metrics]) & ~frame["method"].isin([TARGET, RETRAIN])]
    return beside_or_mean(finished_against(frame), finals(frame))


def beside_or_mean(beside: pandas.DataFrame, means: pandas.DataFrame) -> pandas.DataFrame:
    """Rows beside single retrained models (phase `against`), completed by rows of means.

    The latter are those of runs and metrics that have no such rows, for example in a draw with a
    single retrained model.
    """
    keys = [*MODEL, "metric"]
    # a run that had both would count its mean as one more retrained model
    present = pandas.MultiIndex.from_frame(beside[keys])
    return pandas.concat([beside, means[~pandas.MultiIndex.from_frame(means[keys]).isin(present)]])


def cube(rows: pandas.DataFrame) -> numpy.ndarray:
    """The values of one variant and metric as (draws, retrained models, seeds), NaN after those of
    a draw with fewer models or seeds than others. rows: of each_comparison()."""
    # seed 1 of one draw has nothing in common with seed 1 of another but its place in the array
    tables = []  # (retrained models, seeds) of each draw
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
    # a trajectory ends with the finished model, and its rows keep its order
    return rows.drop_duplicates([*MODEL, "run", "reference", "metric"], keep="last")

"""Two experiments side by side: which numbers differ, those beyond their spread first."""

from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
from scipy.stats import ttest_ind_from_stats

from unlearning.errors import UserError
from unlearning.files import read_json
from unlearning.reporting.frame import COLUMNS, finals, geometric, units
from unlearning.reporting.inference import LEVEL, ROUNDING

KEY = ["split", "label", "metric"]
BEYOND, WITHIN, SINGLE, SAME = "beyond", "within", "single", "same"


@dataclass(frozen=True)
class Differences:
    """numbers: split, label, metric, both means, both numbers of values, difference, p, kind.

    kind: beyond, where Welch's 95% interval of the difference excludes 0; within; single, of values
    that differ where a side has one alone; same, where all are equal but for rounding. verdicts:
    claim -> the two verdicts, where they differ. only: models of the first report alone, and of the
    second.
    """

    numbers: pandas.DataFrame
    verdicts: dict[str, tuple[str, str]]
    only: tuple[list[str], list[str]]


def read_report(path: Path) -> tuple[pandas.DataFrame, dict[str, str]]:
    """The frame and the verdicts of a report's folder, or of a results folder with one report;
    UserError for another folder."""
    folder = next((f for f in (path, path / "report") if (f / "results.parquet").is_file()), None)
    if folder is None:
        raise UserError(
            f"{path} holds no results.parquet: name the folder of a report, as results/mini/report"
        )
    frame = pandas.read_parquet(folder / "results.parquet")
    if absent := [name for name in COLUMNS if name not in frame]:
        raise UserError(
            f"{folder / 'results.parquet'} lacks the columns {', '.join(absent)}: it is of another "
            "version; make that report again"
        )
    claims = {claim["id"]: claim["verdict"] for claim in read_json(folder / "claims.json")}
    return frame, claims


def differences(first: Path, second: Path) -> Differences:
    """Finished models of both, matched by split, label and metric."""
    (first_frame, verdicts), (second_frame, second_verdicts) = map(read_report, (first, second))
    sides = [_values(first_frame), _values(second_frame)]
    # models that one side lacks are named in `only`
    common = sides[0].index.intersection(sides[1].index, sort=False)
    rows = [(*key, *_compared(sides[0][key], sides[1][key])) for key in common]
    columns = [*KEY, "first", "second", "n_first", "n_second", "difference", "p", "kind"]
    numbers = pandas.DataFrame(rows, columns=columns)
    order = {kind: rank for rank, kind in enumerate((BEYOND, SINGLE, WITHIN, SAME))}
    numbers["rank"] = numbers["kind"].map(order)
    numbers = numbers.sort_values(["rank", "p"], kind="stable")
    changed = {}
    for name, verdict in verdicts.items():
        # a claim that one report lacks was not judged twice
        if second_verdicts.get(name, verdict) != verdict:
            changed[name] = (verdict, second_verdicts[name])
    labels: tuple[set[str], set[str]] = (set(), set())
    for side, names in zip(sides, labels, strict=True):
        names.update(f"{split}, {label}" for split, label, _ in side.index)
    only = sorted(labels[0] - labels[1]), sorted(labels[1] - labels[0])
    return Differences(numbers.drop(columns="rank"), changed, only)


def _values(frame: pandas.DataFrame) -> pandas.Series:
    """(split, label, metric) -> values of the draws if there are several, else of the seeds;
    p-values stand as their logarithms alone."""
    models = finals(frame)
    # seeds' p-values differ by orders of magnitude, so a test of them would be one of the largest
    models = models[~models["metric"].isin(geometric(models["metric"].unique()))]
    return units(models, ["split", "label"]).groupby(KEY, sort=False)["value"].agg(list)


def _compared(ours: list[float], theirs: list[float]) -> tuple:
    means = sum(ours) / len(ours), sum(theirs) / len(theirs)
    moments = (*means, len(ours), len(theirs), means[1] - means[0])
    # sorted: seeds may have been listed in another order
    first, second = numpy.sort(ours), numpy.sort(theirs)
    # another machine rounds otherwise, which is no difference and no spread
    rounding = ROUNDING * max(numpy.abs(first).max(), numpy.abs(second).max())
    if numpy.ptp([*ours, *theirs]) <= rounding:
        return (*moments, 1.0, SAME)
    if len(first) == len(second) and numpy.abs(first - second).max() <= rounding:
        return (*moments, 1.0, SAME)
    if min(len(first), len(second)) < 2:
        return (*moments, None, SINGLE)
    # both sides without a spread: Welch's statistic would be a difference over 0
    if max(numpy.ptp(first), numpy.ptp(second)) <= rounding:
        return (*moments, 0.0, BEYOND)
    # Welch's: the two reports need not have equal spreads or as many seeds
    sides = [(side.mean(), side.std(ddof=1), len(side)) for side in (first, second)]
    p = float(ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)
    return (*moments, p, BEYOND if p < 1 - LEVEL else WITHIN)

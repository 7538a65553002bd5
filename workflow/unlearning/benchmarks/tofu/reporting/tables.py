"""The tables of the report as CSV: plain numbers in full precision, for further work."""

from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.reporting.aggregates import aggregates
from unlearning.benchmarks.tofu.reporting.grids import grids
from unlearning.benchmarks.tofu.reporting.peaks import peaks
from unlearning.benchmarks.tofu.reporting.results import Results
from unlearning.benchmarks.tofu.reporting.trajectories import Point
from unlearning.reporting.cost import Cost
from unlearning.reporting.csv_files import CELL, cost_table, csv_text


def csv_tables(results: Results, costs: list[Cost]) -> dict[str, str]:
    """File name -> CSV."""
    courses = [point for split in results.splits for point in split.courses]
    attacks = [point for split in results.splits for point in split.attacks]
    return {
        "main.csv": main_table(results),
        "cells.csv": cells_table(results),
        "trajectories.csv": points_table(courses),
        "relearning.csv": points_table(attacks, attack=True),
        "peaks.csv": peaks_table(results),
        "grids.csv": grids_table(results),
        "strata.csv": strata_table(results),
        "cost.csv": cost_table(costs),
    }


def peaks_table(results: Results) -> str:
    """One line per variant and seed: FQ and MU at the epoch of the variant's peak, and the last."""
    names = ("forget_quality", "log10_forget_quality", "model_utility")
    header = ("split", "label", "seed", "peak_epoch", *(f"peak_{n}" for n in names))
    rows = [
        [p.split, p.label, seed, p.epoch, *(metrics.get(n) for n in names)]
        + [p.last, *(p.at_last[seed].get(n) for n in names)]
        for split in results.splits
        for p in peaks(split)
        for seed, metrics in p.at_peak.items()
    ]
    return csv_text((*header, "last_epoch", *(f"last_{n}" for n in names)), rows)


def grids_table(results: Results) -> str:
    """One line per method with a grid: what varies, and the variant that the rule chooses."""
    rows = [
        [g.split, g.method, " ".join(g.axes), len(g.points), g.chosen]
        for split in results.splits
        for g in grids(split)
    ]
    return csv_text(("split", "method", "axes", "variants", "chosen"), rows)


def main_table(results: Results) -> str:
    """One line per split, variant and metric: mean, standard deviation, number of models."""
    header = ("split", "method", "variant", "label", "metric", "mean", "sd", "n", "collapsed")
    return csv_text(
        header,
        [
            (a.split, a.method, a.variant, a.label, name, s.mean, s.sd, s.n, len(a.collapsed))
            for split in results.splits
            for a in aggregates(split)
            for name, s in a.metrics.items()
        ],
    )


def strata_table(results: Results) -> str:
    """One line per split, variant and stratum of the forget set: log10 FQ, FQ and KS over seeds."""
    header = (
        *("split", "method", "variant", "label", "stratum", "rows", "metric"),
        *("mean", "sd", "n"),
    )
    return csv_text(
        header,
        [
            (a.split, a.method, a.variant, a.label, stratum, count, name, s.mean, s.sd, s.n)
            for split in results.splits
            for a in aggregates(split)
            for stratum, count in split.strata.items()
            for name, s in a.metrics.items()
            if name.endswith(f"@{stratum}")
        ],
    )


def cells_table(results: Results) -> str:
    """One line per model: every metric."""
    rows = [
        [m.split, m.method, m.variant, m.label, m.seed, m.collapsed]
        + [m.metrics.get(name) for name in METRICS]
        for split in results.splits
        for m in split.models
    ]
    return csv_text((*CELL, "collapsed", *METRICS), rows)


def points_table(points: list[Point], attack: bool = False) -> str:
    """One line per run and evaluated epoch: the metrics that some point has."""
    present = {name for point in points for name in point.metrics}
    names = [name for name in METRICS if name in present]
    rows = [
        [p.cell.split, p.cell.method, p.cell.variant, p.label, p.cell.seed]
        + ([p.attack] if attack else [])
        + [p.epoch, p.step, *(p.metrics.get(name) for name in names)]
        for p in points
    ]
    header = (*CELL, *(("attack",) if attack else ()), "epoch", "step", *names)
    return csv_text(header, rows)

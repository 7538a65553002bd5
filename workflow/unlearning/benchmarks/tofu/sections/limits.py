"""What forget quality can and cannot say: p-values against the number of rows, and agreement with
other measures of forgetting."""

import altair
import numpy
import pandas
from scipy.stats import kendalltau, kstwo, spearmanr

from unlearning.benchmarks.tofu.forget_quality import SMALLEST, compare
from unlearning.reporting.charts.bands import short
from unlearning.reporting.charts.palette import channels
from unlearning.reporting.charts.specs import (
    MEANINGFUL,
    Panel,
    emphasis,
    inline_data,
    log_fq_axis,
    threshold,
)
from unlearning.reporting.frame import finals
from unlearning.reporting.labels import RETRAIN, TARGET, metric_text, p_value
from unlearning.reporting.peaks import QUALITY
from unlearning.reporting.section import Content, Figure
from unlearning.reporting.tables import Cell, Column, Row, Table, goodness

TITLE = "Limits of FQ"
TABLES = ("rows", "agreement")
SHOWN = ("rows", "agreement")
FIGURES = {
    "rows": "Forget quality that the same difference between truth ratios would have on other "
    "numbers of forget rows; dots are medians over parts of the rows."
}
NOTE = "No unlearned model was compared with a retrained one."
SIZES = (10, 40, 100, 400, 1000, 4000)  # rows; TOFU's forget01 has 40, forget10 400
SHOWN_SIZES = (40, 400)
PARTS = (4, 2)  # a quarter and a half of the rows
SUBSETS = 100
SIZE_COLUMNS = ["split", "label", "ks_statistic", "n", QUALITY, "source"]
RANK_COLUMNS = ["split", "metric", "spearman", "kendall", "variants"]
# measures of forgetting, each of the forget set or beside retrained models
MEASURES = (
    "ks_statistic",
    "truth_ratio_shift",
    "forget_truth_ratio",
    "forget_probability",
    "forget_rouge",
    "forget_extraction_strength",
    "forget_exact_memorization",
    "privleak",
)


def content(report) -> Content:
    """A panel and two tables for each split."""
    panels, lines, by_rows, ranks, agreements = [], [], [], [], []
    for split in report.results.splits:
        sizes = _sizes(report, split)
        if sizes.empty:
            continue
        lines.append(sizes)
        by_rows.append(_sizes_table(report, split, sizes))
        panels.append(_panel(report, split, sizes))
        agreement = _agreement(report, split)
        if len(agreement):
            ranks.append(agreement)
            agreements.append(_agreement_table(report, split, agreement))
    # Files have their header without any row, too.
    csv = {
        "rows": pandas.concat([pandas.DataFrame(columns=SIZE_COLUMNS), *lines]),
        "agreement": pandas.concat([pandas.DataFrame(columns=RANK_COLUMNS), *ranks]),
    }
    figure = Figure(panels, width=420, note="" if panels else NOTE)
    tables = {"rows": by_rows, "agreement": agreements}
    return Content(csv, tables, {"rows": figure}, empty=not panels)


def log10_quality(statistic: float, n: int) -> float:
    """log10 of the p-value of a Kolmogorov-Smirnov statistic between two samples of n rows each, by
    the large-sample form of scipy's ks_2samp."""
    # two samples of n rows count as one of n · n / (n + n)
    return float(numpy.log10(max(kstwo.sf(statistic, round(n / 2)), SMALLEST)))


def fewest_rows(statistic: float) -> int | None:
    """The fewest rows on each side with which a KS statistic makes FQ fall below 0.05."""
    # By bisection: more rows of the same statistic never raise the p-value.
    low, high = 2, 10**6  # more rows than any forget set has
    if statistic == 0 or log10_quality(statistic, high) > MEANINGFUL:
        return None
    while low < high:
        middle = (low + high) // 2
        below = log10_quality(statistic, middle) <= MEANINGFUL
        low, high = (low, middle) if below else (middle + 1, high)
    return low


def _sizes(report, split: str) -> pandas.DataFrame:
    """log10 FQ of each variant by number of rows. source: `effect`, of the mean KS statistic at n
    rows, or `part`, the median over random parts of the rows of one run."""
    labels = report.results.variants.get(split, {})
    models = report.results.models
    models = models[models["split"] == split]
    lines = []
    for label in labels:
        statistic = report.spreads.get((split, label), {}).get("ks_statistic")
        if statistic is None:  # no run of the variant is finished
            continue
        run = models.loc[models["label"] == label, "run"].iloc[0]
        ours, theirs = report.results.details["log_truth_ratios"][split, run]  # (rows,) each
        rows = len(ours)
        for n in sorted({*SIZES, rows}):
            log = log10_quality(statistic.mean, n)
            lines.append([split, label, statistic.mean, n, log, "effect"])
        for n in (rows // part for part in PARTS):
            if n < 2:  # no test of a single row
                continue
            lines.append([split, label, statistic.mean, n, _of_parts(ours, theirs, n), "part"])
    return pandas.DataFrame(lines, columns=SIZE_COLUMNS)


def _of_parts(ours: numpy.ndarray, theirs: numpy.ndarray, n: int) -> float:
    """Median log10 FQ over random parts of n rows, the same rows of both models."""
    generator = numpy.random.default_rng(0)  # a report of the same results is the same report
    qualities = []
    for _ in range(SUBSETS):
        part = generator.choice(len(ours), n, replace=False)
        qualities.append(compare(ours[part], theirs[part])[QUALITY])
    return float(numpy.median(qualities))


def _sizes_table(report, split: str, sizes: pandas.DataFrame) -> Table:
    metrics = report.results.metrics
    rows_here = report.results.sizes.get(split, {}).get("forget", 0)
    heads = [
        Column("ks", "KS", "Effect", "lower", "Largest distance between the two distributions"),
        Column("shift", "shift", "Effect", "zero", metrics["truth_ratio_shift"].title),
    ]
    sizes_in_heads = sorted({*SHOWN_SIZES, rows_here} - {0})
    heads += [Column(f"n{n}", f"{n} rows", "FQ of this KS with") for n in sizes_in_heads]
    explanation = "Fewest rows with which this KS statistic makes FQ fall below 0.05"
    heads.append(Column("fewest", "rows for FQ < 0.05", explanation=explanation))
    lines = []
    for label, of_label in sizes[sizes["source"] == "effect"].groupby("label", sort=False):
        spreads, by_size = report.spreads[split, label], of_label.set_index("n")
        cells = []
        for metric in ("ks_statistic", "truth_ratio_shift"):
            mean = spreads[metric].mean if metric in spreads else None
            cells.append(Cell(metric_text(metric, mean, metrics[metric].digits), mean))
        for n in sizes_in_heads:
            log = float(by_size.loc[n, QUALITY])
            cells.append(Cell(p_value(10**log), log))
        fewest = fewest_rows(spreads["ks_statistic"].mean)
        cells.append(Cell("–" if fewest is None else f"{fewest:,}", fewest))
        lines.append(Row(str(label), cells))
    return Table(f"rows-{split}", f"Forget quality by number of rows on {split}", heads, lines)


def _panel(report, split: str, sizes: pandas.DataFrame) -> Panel:
    """Lines by the mean effect, dots of random parts."""
    effects, parts = (_marks(sizes[sizes["source"] == source]) for source in ("effect", "part"))
    look = channels(report.styles, effects)
    scale = altair.Scale(type="log", nice=False)
    x = altair.X("n:Q", title="Forget rows", scale=scale, axis=altair.Axis(values=[*SIZES]))
    y = log_fq_axis([mark["log10_fq"] for mark in (*effects, *parts)])
    tooltip = ["label:N", "n:Q", altair.Tooltip("log10_fq:Q", title="log10 FQ", format=".2f")]
    where = {"x": x, "y": y, "opacity": emphasis(0.9, 0.1), "tooltip": tooltip}
    lines = altair.Chart(inline_data(effects)).mark_line(strokeWidth=1.6)
    dots = altair.Chart(inline_data(parts)).mark_point(filled=True, size=40)
    layers = [threshold(), lines.encode(**where, **look)]
    layers.append(dots.encode(**where, color=look["color"]))
    return Panel(split, altair.layer(*layers), height=320)


def _marks(sizes: pandas.DataFrame) -> list[dict]:
    rows = sizes[["label", "n"]].assign(log10_fq=sizes[QUALITY].map(short))
    return rows.to_dict("records")


def _agreement(report, split: str) -> pandas.DataFrame:
    """Rank correlations over variants of mean log10 FQ with other measures, positive where both
    call the same variants better."""
    models = finals(report.frame)
    models = models[(models["split"] == split) & ~models["method"].isin([TARGET, RETRAIN])]
    labels = models["label"].unique()
    means = {label: report.spreads[split, label] for label in labels}
    lines = []
    for metric in MEASURES:
        better = report.results.metrics[metric].better
        quality, measure = [], []  # of each variant that has both
        for spreads in means.values():
            if metric in spreads and QUALITY in spreads:
                quality.append(spreads[QUALITY].mean)
                measure.append(goodness(spreads[metric].mean, better))
        # A rank correlation of two values is 1 or -1 whatever they are.
        if len(set(quality)) < 3 or len(set(measure)) < 3:
            continue
        ranks = spearmanr(quality, measure).statistic, kendalltau(quality, measure).statistic
        lines.append([split, metric, *map(float, ranks), len(quality)])
    return pandas.DataFrame(lines, columns=RANK_COLUMNS)


def _agreement_table(report, split: str, agreement: pandas.DataFrame) -> Table:
    heads = [
        Column("spearman", "Spearman", explanation="Rank correlation with log10 FQ over variants"),
        Column("kendall", "Kendall", explanation="Pairs in the same order less those that are not"),
        Column("variants", "Variants"),
    ]
    rows = []
    for line in agreement.itertuples():
        cells = [Cell(f"{value:+.2f}", value) for value in (line.spearman, line.kendall)]
        title = report.results.metrics[line.metric].title
        rows.append(Row(title, [*cells, Cell(str(line.variants), line.variants)]))
    caption = f"Agreement of FQ with other measures on {split}"
    return Table(f"agreement-{split}", caption, heads, rows, head="Measure")

"""Forget quality against the number of rows, effect sizes, agreement with other measures."""

import math

import numpy
import pytest
from report_world import results_of, run_rows
from scipy.stats import ks_2samp, norm
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.benchmarks.tofu.sections import limits
from unlearning.benchmarks.tofu.sections.limits import fewest_rows, log10_quality


def samples(n: int, shift: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """n quantiles of a normal distribution, and the same moved."""
    quantiles = norm.ppf((numpy.arange(n) + 0.5) / n)
    return quantiles + shift, quantiles


@pytest.mark.parametrize("n", [40, 96, 400])
def test_the_p_value_of_an_effect_is_that_of_scipys_test_with_as_many_rows(n):
    ours, theirs = samples(n, 0.4)
    test = ks_2samp(ours, theirs, method="asymp")
    assert log10_quality(test.statistic, n) == pytest.approx(math.log10(test.pvalue), abs=1e-9)
    exact = ks_2samp(ours, theirs)
    assert log10_quality(exact.statistic, n) == pytest.approx(math.log10(exact.pvalue), abs=0.15)


def test_the_same_effect_passes_with_few_rows_and_fails_with_many():
    few, many = (10 ** log10_quality(0.2, n) for n in (40, 400))
    assert few > 0.3 and many < 1e-6
    fewest = fewest_rows(0.2)
    # the 5% border of the statistic is about 1.36 sqrt(2 / n): n = 2 (1.36 / 0.2)^2 = 92.5
    assert fewest == pytest.approx(92.5, rel=0.05)
    assert 10 ** log10_quality(0.2, fewest) <= 0.05 < 10 ** log10_quality(0.2, fewest - 2)
    assert fewest_rows(0.0) is None and fewest_rows(1e-4) is None


def test_a_shift_is_the_distance_of_the_medians_and_does_not_depend_on_rows():
    shifts = [compare(*samples(n, -0.7))["truth_ratio_shift"] for n in (40, 400)]
    assert shifts == pytest.approx([-0.7, -0.7])
    assert compare(*samples(40, 0.3))["truth_ratio_shift"] == pytest.approx(0.3)


def test_lines_pass_through_the_effect_and_dots_are_parts_of_the_rows(contents, results):
    sizes = contents["limits"].csv["rows"]
    npo = sizes[sizes["label"] == "NPO"]
    effect = npo[npo["source"] == "effect"].set_index("n")["log10_forget_quality"]
    assert [*effect.index] == [10, 40, 100, 400, 1000, 4000]  # 40 is this split's own number
    assert effect.is_monotonic_decreasing
    statistic = npo["ks_statistic"].iloc[0]
    assert effect[400] == pytest.approx(log10_quality(statistic, 400))
    parts = npo[npo["source"] == "part"]
    assert parts["n"].tolist() == [10, 20]
    ours, theirs = results.details["log_truth_ratios"]["forget10", "unlearn/NPO/default/seed=1"]
    whole = compare(ours, theirs)["log10_forget_quality"]
    assert (parts["log10_forget_quality"] > whole).all()  # fewer rows show less


def test_the_table_has_effects_beside_the_p_values(contents):
    (table,) = contents["limits"].tables["rows"]
    titles = [column.title for column in table.columns]
    assert titles == ["KS", "shift", "40 rows", "400 rows", "rows for FQ < 0.05"]
    npo = next(row for row in table.rows if row.label == "NPO")
    assert npo.cells[1].value < 0  # it went past the retrained model
    (main,) = contents["results"].tables["main"]
    assert "truth_ratio_shift" in [column.key for column in main.columns]


def agreement_of(experiment, report_on, measures: dict[str, list[float]]):
    """Of variants with these values; log10 FQ -1, -2, -3, -4."""
    rows = []
    for place, beta in enumerate((1.0, 2.0, 3.0, 4.0)):
        values = {metric: of[place] for metric, of in measures.items()}
        rows += run_rows("NPO", 1, (("beta", beta),), log10_forget_quality=-1.0 - place, **values)
    report = report_on(results_of(experiment, rows))
    return limits._agreement(report, "forget10").set_index("metric")


def test_agreement_is_of_ranks_and_turned_to_what_is_better(experiment, report_on):
    table = agreement_of(
        experiment,
        report_on,
        {
            "forget_probability": [0.1, 0.2, 0.3, 0.4],  # lower is better: the same order
            "forget_truth_ratio": [0.1, 0.2, 0.3, 0.4],  # higher is better: the opposite order
            "privleak": [-1.0, 2.0, -50.0, 20.0],  # distance from 0: one pair of six turned
            "forget_rouge": [0.5, 0.5, 0.5, 0.5],  # no order
        },
    )
    assert table.loc["forget_probability", ["spearman", "kendall"]].tolist() == [1.0, 1.0]
    assert table.loc["forget_truth_ratio", ["spearman", "kendall"]].tolist() == [-1.0, -1.0]
    # ranks 1, 2, 4, 3: 1 - 6 * 2 / (4 * 15), and (5 - 1) / 6
    expected = [pytest.approx(0.8), pytest.approx(4 / 6)]
    assert table.loc["privleak", ["spearman", "kendall"]].tolist() == expected
    assert "forget_rouge" not in table.index and set(table["variants"]) == {4}

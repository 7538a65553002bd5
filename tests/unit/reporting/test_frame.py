"""The frame: its averages against values computed by hand, its shapes, what attacks undo."""

import math
import re

import numpy
import pandas
import pytest
from folders import ROOT
from report_world import run_rows
from unlearning.reporting.frame import (
    AGAINST,
    COLUMNS,
    FINAL,
    RELEARN,
    VARIANT,
    Spread,
    average,
    cube,
    each_comparison,
    finals,
    finished_against,
    geometric,
    relearned,
    spreads,
    tidy,
    unit_of,
    wide,
)


def models(method: str, *values: float, metric: str = "model_utility") -> list[tuple]:
    """A finished model of each value, with seeds from 1."""
    rows = [run_rows(method, seed, **{metric: value}) for seed, value in enumerate(values, 1)]
    return [row for model in rows for row in model]


def qualities(method: str, *logs: float) -> list[tuple]:
    """A finished model of each log10 FQ."""
    rows = [
        run_rows(method, seed, forget_quality=10.0**log, log10_forget_quality=log)
        for seed, log in enumerate(logs, 1)
    ]
    return [row for model in rows for row in model]


def test_deviation_divides_by_n_minus_one_and_the_interval_is_students():
    # deviations -3, -1, 4: variance 26 / 2; t(0.975, 2) = 4.302653, so half = 4.302653 sqrt(13/3)
    spread = spreads(tidy(models("GA", 2.0, 4.0, 9.0)), ["label"])["GA",]["model_utility"]
    assert (spread.mean, spread.n) == (5.0, 3)
    assert spread.sd == pytest.approx(math.sqrt(13))
    assert (spread.low, spread.high) == pytest.approx((5 - 8.956686, 5 + 8.956686), abs=1e-6)


def test_two_values_have_the_widest_interval():
    # t(0.975, 1) = 12.706205, sd sqrt(2) / 2, half = 12.706205 / 2
    spread = spreads(tidy(models("GA", 0.0, 1.0)), ["label"])["GA",]["model_utility"]
    assert (spread.low, spread.high) == pytest.approx((0.5 - 6.353102, 0.5 + 6.353102), abs=1e-6)


def test_one_value_is_a_mean_alone():
    spread = spreads(tidy(models("GA", 0.5)), ["label"])
    assert spread == {("GA",): {"model_utility": Spread(0.5, None, 1, None, None)}}


def test_equal_values_make_the_interval_a_point():
    spread = spreads(tidy(models("GA", 0.25, 0.25, 0.25)), ["label"])["GA",]["model_utility"]
    assert spread == Spread(0.25, 0.0, 3, 0.25, 0.25)


def test_what_was_not_measured_does_not_count():
    rows = run_rows("GA", 1, model_utility=1.0) + run_rows("GA", 2, model_utility=None)
    rows += run_rows("GA", 3, model_utility=3.0, forget_rouge=0.5)
    spread = spreads(tidy(rows), ["label"])["GA",]
    assert (spread["model_utility"].mean, spread["model_utility"].n) == (2.0, 2)
    assert spread["forget_rouge"].n == 1


def test_p_values_are_averaged_by_their_logarithms():
    # logs -1, -2, -6: mean -3, variance (4 + 1 + 9) / 2 = 7, half 4.302653 sqrt(7/3) = 6.572411
    spread = spreads(tidy(qualities("GA", -1.0, -2.0, -6.0)), ["label"])["GA",]
    quality, log = spread["forget_quality"], spread["log10_forget_quality"]
    assert quality.mean == pytest.approx(1e-3)  # the arithmetic one would be 0.037
    assert quality.sd == pytest.approx(10 ** math.sqrt(7))  # a factor
    assert quality.low == pytest.approx(10 ** (-3 - 6.572411), rel=1e-5, abs=0)
    assert quality.high == pytest.approx(10 ** (-3 + 6.572411), rel=1e-5)
    assert (log.mean, log.sd) == (pytest.approx(-3), pytest.approx(math.sqrt(7)))
    assert quality.n == log.n == 3
    assert math.log10(quality.mean) == pytest.approx(log.mean, abs=1e-12)


def test_a_p_value_too_small_for_a_double_is_averaged_by_its_logarithm():
    rows = run_rows("GA", 1, forget_quality=0.0, log10_forget_quality=-400.0)
    rows += run_rows("GA", 2, forget_quality=1e-100, log10_forget_quality=-100.0)
    spread = spreads(tidy(rows), ["label"])["GA",]
    assert spread["forget_quality"].mean == pytest.approx(1e-250, rel=1e-9, abs=0)


def test_what_has_a_logarithm_is_geometric_and_nothing_else():
    names = ["forget_quality", "log10_forget_quality", "model_utility", "log10_alone"]
    assert geometric(names) == {"forget_quality"}


def test_table_of_averages_says_which_average_it_is():
    rows = qualities("GA", -1.0, -3.0) + models("GA", 0.1, 0.3)
    table = average(tidy(rows), VARIANT).set_index("metric")
    kinds = table["average"].to_dict()
    assert kinds == {
        "forget_quality": "geometric",
        "log10_forget_quality": "arithmetic",
        "model_utility": "arithmetic",
    }
    assert table.loc["forget_quality", "mean"] == pytest.approx(1e-2)
    assert table.loc["model_utility", "mean"] == pytest.approx(0.2)
    assert table.loc["model_utility", "n"] == 2
    assert {"mean", "sd", "n", "low", "high"} <= {*table.columns}


def test_groups_keep_their_order_and_are_told_apart():
    rows = models("NPO", 0.2, 0.4) + models("GA", 0.0) + models("DPO+RT", 0.6)
    frame = tidy(rows)
    table = average(frame, ["split", "label"])
    assert table["label"].tolist() == ["NPO", "GA", "DPO+RT"]
    assert table["mean"].tolist() == pytest.approx([0.3, 0.0, 0.6])
    assert [*spreads(frame, ["label"])] == [("NPO",), ("GA",), ("DPO+RT",)]


def test_finished_models_are_neither_courses_nor_attacked():
    rows = run_rows("GA", 1, model_utility=0.5)
    rows += run_rows("GA", 1, phase="course", epoch=2, model_utility=0.6)
    rows += run_rows("GA", 1, phase=RELEARN, attack="random", epoch=1, model_utility=0.7)
    frame = tidy(rows)
    assert finals(frame)["value"].tolist() == [0.5]
    assert [*frame.columns] == [*COLUMNS]


def test_wide_has_a_row_for_each_key_and_gaps():
    rows = run_rows("NPO", 2, model_utility=0.2, forget_rouge=0.5)
    rows += run_rows("NPO", 1, model_utility=0.4)
    rows += run_rows("GA", 1, ks_statistic=0.9)
    table = wide(tidy(rows), ["label", "seed"], ["forget_rouge", "model_utility", "forget_rouge"])
    assert [*table.columns] == ["label", "seed", "forget_rouge", "model_utility"]
    assert table[["label", "seed"]].to_numpy().tolist() == [["NPO", 2], ["NPO", 1], ["GA", 1]]
    assert table["model_utility"].tolist()[:2] == [0.2, 0.4]
    assert pandas.isna(table.loc[2, "model_utility"]) and pandas.isna(table.loc[1, "forget_rouge"])


def test_wide_of_nothing_has_its_columns():
    table = wide(tidy([]), ["label", "epoch"], ["model_utility"])
    assert [*table.columns] == ["label", "epoch", "model_utility"] and table.empty


def test_a_relearning_drop_is_before_minus_after_the_last_epoch_of_each_attack():
    rows = run_rows("NPO+RT", 1, log10_forget_quality=-1.0)
    rows += run_rows("NPO+RT", 2, log10_forget_quality=-2.0)
    for seed, ends in ((1, {"random": -3.0, "shortest": -1.5}), (2, {"random": -1.0})):
        for attack, end in ends.items():
            for epoch, value in enumerate((-0.5, -9.0, end)):
                rows += run_rows(
                    "NPO+RT",
                    seed,
                    phase=RELEARN,
                    attack=attack,
                    epoch=epoch,
                    log10_forget_quality=value,
                    forget_quality=10.0**value,
                )
    spread = relearned(tidy(rows))
    drops = spread.set_index(["seed", "attack"])["value"].to_dict()
    assert drops == {(1, "random"): 2.0, (1, "shortest"): 0.5, (2, "random"): -1.0}
    assert set(spread["metric"]) == {"relearning_log10_drop"} and set(spread["phase"]) == {FINAL}
    assert [*spread.columns] == [*COLUMNS]


def test_an_attack_on_a_model_that_was_not_evaluated_has_no_drop():
    rows = run_rows("NPO", 1, phase=RELEARN, attack="random", epoch=1, log10_forget_quality=-3.0)
    assert relearned(tidy(rows)).empty


def test_every_column_is_documented_as_it_is_declared():
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.M)
    documented = {name: meaning for name, meaning in rows if name in COLUMNS}
    assert documented == COLUMNS and [*documented] == [*COLUMNS]


# --- several draws ---


def drawn(
    method: str, values: dict[int, list[float]], metric: str = "model_utility"
) -> list[tuple]:
    """Finished models of the values of each draw, with seeds from 1."""
    rows = []
    for draw, of_draw in values.items():
        for seed, value in enumerate(of_draw, 1):
            rows += run_rows(method, seed, draw=draw, **{metric: value})
    return rows


def test_of_several_draws_each_counts_once_however_many_seeds_it_has():
    frame = tidy(drawn("GA", {1: [1.0, 3.0], 2: [4.0], 3: [8.0, 9.0, 10.0]}))
    # means of draws 2, 4, 9: as the values of the first test
    spread = spreads(frame, ["label"])["GA",]["model_utility"]
    assert (spread.mean, spread.n, unit_of(frame)) == (5.0, 3, "draw")
    assert spread.sd == pytest.approx(math.sqrt(13))
    assert (spread.low, spread.high) == pytest.approx((5 - 8.956686, 5 + 8.956686), abs=1e-6)
    (row,) = average(frame, VARIANT).to_dict("records")
    assert (row["n"], row["unit"]) == (3, "draw")


def test_p_values_of_a_draw_are_averaged_by_their_logarithms_before_the_draws_are():
    rows = []
    for draw, logs in {1: (-1.0, -3.0), 2: (-4.0,)}.items():
        for seed, log in enumerate(logs, 1):
            metrics = {"forget_quality": 10.0**log, "log10_forget_quality": log}
            rows += run_rows("GA", seed, draw=draw, **metrics)
    spread = spreads(tidy(rows), ["label"])["GA",]
    assert spread["forget_quality"].mean == pytest.approx(1e-3)
    assert (spread["forget_quality"].n, spread["log10_forget_quality"].mean) == (2, -3.0)


def test_draws_that_are_told_apart_are_averaged_over_their_seeds():
    frame = tidy(drawn("GA", {1: [1.0, 3.0], 2: [4.0]}))
    spread = spreads(frame, ["label", "draw"])
    means = {
        key: (spread["model_utility"].mean, spread["model_utility"].n)
        for key, spread in spread.items()
    }
    assert means == {("GA", 1): (2.0, 2), ("GA", 2): (4.0, 1)}


def test_a_part_of_a_frame_of_several_draws_is_counted_by_draws():
    part = tidy(drawn("GA", {2: [1.0, 3.0]}))
    spread = spreads(part, ["label"], "draw")["GA",]["model_utility"]
    assert spread == Spread(2.0, None, 1, None, None)


def test_a_cube_has_draws_retrained_models_and_seeds_and_gaps_at_the_end():
    rows = []
    for draw, reference, seed, value in (
        (1, "r1", 1, 1.0),
        (1, "r1", 2, 2.0),
        (1, "r2", 1, 3.0),
        (1, "r2", 2, 4.0),
        (2, "r9", 1, 5.0),
    ):
        where = {"draw": draw, "phase": AGAINST, "reference": reference, "epoch": 1}
        rows += run_rows("GA", seed, **where, log10_forget_quality=value)
    # draw 3 has one retrained model, so its mean is all
    rows += run_rows("GA", 1, draw=3, log10_forget_quality=6.0)
    rows += run_rows("GA", 1, log10_forget_quality=2.0, model_utility=0.5)
    rows += run_rows("target", 42, model_utility=0.9)
    frame = tidy(rows)
    each = each_comparison(frame, ["log10_forget_quality", "model_utility"])
    assert each["value"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5]
    values = cube(each[each["metric"] == "log10_forget_quality"])
    assert values[0].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert values[1, 0, 0] == 5.0 and numpy.isnan(values[1]).sum() == 3
    assert values[2, 0, 0] == 6.0
    assert cube(each[each["metric"] == "model_utility"]).tolist() == [[[0.5]]]


def test_finished_models_beside_each_retrained_model_are_the_last_of_their_course():
    rows = []
    for reference, values in {
        "retrain/seed=1": (-9.0, -2.0),
        "retrain/seed=2": (-8.0, -4.0),
    }.items():
        for epoch, value in enumerate(values):
            place = {"phase": AGAINST, "reference": reference, "epoch": epoch}
            rows += run_rows("GA", 1, **place, log10_forget_quality=value)
    rows += run_rows("GA", 1, log10_forget_quality=-3.0)
    spread = finished_against(tidy(rows))
    assert spread[["reference", "value"]].to_numpy().tolist() == [
        ["retrain/seed=1", -2.0],
        ["retrain/seed=2", -4.0],
    ]
    assert finals(tidy(rows))["value"].tolist() == [-3.0]

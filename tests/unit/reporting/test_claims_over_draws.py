"""Verdicts where everything before unlearning is drawn several times."""

import math

import pytest
from claim_cases import claim_of
from report_world import results_of, run_rows
from unlearning.reporting.claims.judge import INCONCLUSIVE, SUPPORTED, judge
from unlearning.reporting.claims.view import lines


def drawn(method, values, seed=1, **metrics):
    """Rows of a method with the utilities of each draw; of a reference one model in each."""
    rows = []
    for draw, utilities in values.items():
        for number, value in enumerate(utilities):
            rows += run_rows(method, seed + number, draw=draw, model_utility=value, **metrics)
    return rows


TARGETS = drawn("target", {1: [0.8], 2: [0.6], 3: [0.7]}, seed=42)


def part_over_draws(experiment, rows, **claim):
    (judged,) = judge([claim_of(**claim)], results_of(experiment, [*TARGETS, *rows]))
    (part,) = judged.parts
    return judged, part


def test_draws_are_the_unit_and_their_seeds_are_averaged(experiment):
    rows = drawn("GA", {1: [0.0, 0.2], 2: [0.2, 0.2], 3: [0.25, 0.3, 0.35]})
    judged, part = part_over_draws(experiment, rows, of="GA", relation="<", value=0.5)
    # means of draws 0.1, 0.2, 0.3: differences and interval of the first test
    assert (part.verdict, part.draws, part.seeds, part.n) == (SUPPORTED, 3, 7, 3)
    assert part.numbers["difference"] == pytest.approx(-0.3)
    assert part.numbers["low"] == pytest.approx(-0.548414, abs=1e-6)
    assert part.numbers["high"] == pytest.approx(-0.051586, abs=1e-6)
    assert part.numbers["p"] == part.holm == pytest.approx(1 - math.sqrt(27 / 29))
    # of three draws a bootstrap reaches from the lowest to the highest at most
    assert -0.5 <= part.numbers["bootstrap_low"] < -0.35
    assert -0.25 < part.numbers["bootstrap_high"] <= -0.15
    (line,) = lines(judged)
    assert (line.n, line.counted) == (3, "draw") and line.bootstrap.startswith("[-0.")
    assert line.difference == "-0.300 [-0.548, -0.052]"


def test_a_draw_is_compared_with_its_own_target(experiment):
    # 0.1, 0.2, 0.3 below the target of the same draw; below their mean it would be 0.1, 0.4, 0.4
    rows = drawn("GA", {1: [0.7, 0.7], 2: [0.4, 0.4], 3: [0.4, 0.4]})
    _, part = part_over_draws(experiment, rows, of="GA", than="target", relation="<")
    assert part.numbers["difference"] == pytest.approx(-0.2)
    # half width 4.302653 * 0.1 / sqrt(3), as in the first test
    assert part.numbers["high"] == pytest.approx(-0.2 + 0.248414, abs=1e-6)
    assert part.verdict == INCONCLUSIVE


def test_methods_are_paired_by_seed_and_draw(experiment):
    rows = drawn("NPO+RT", {1: [0.1, 0.3], 2: [0.6, 0.8], 3: [0.4, 0.6]})
    rows += drawn("SimNPO+RT", {1: [0.2, 0.4], 2: [0.7, 0.9], 3: [0.51, 0.71, 5.0]})
    _, part = part_over_draws(experiment, rows, of="SimNPO+RT", than="NPO+RT")
    # the third seed of draw 3 meets no other; differences 0.1, 0.1, 0.11
    assert part.seeds == 6 and part.verdict == SUPPORTED
    assert part.numbers["difference"] == pytest.approx(0.31 / 3)


def test_the_target_of_several_draws_has_an_interval(experiment):
    _, part = part_over_draws(experiment, [], of="target", value=0.2)
    # mean 0.7 - 0.2, half width 0.248414
    assert (part.verdict, part.draws, part.seeds, part.n) == (SUPPORTED, 3, 0, 3)
    assert part.numbers["low"] == pytest.approx(0.5 - 0.248414, abs=1e-6)


def test_two_draws_are_enough_and_one_of_several_is_not(experiment):
    rows = drawn("GA", {1: [0.1], 2: [0.2]}) + drawn("NPO", {2: [0.1, 0.2, 0.3]})
    _, part = part_over_draws(experiment, rows, of="GA", relation="<", value=2.0)
    # t(0.975, 1) = 12.706205 times 0.1 / 2
    assert part.numbers["high"] == pytest.approx(-1.85 + 0.635310, abs=1e-6)
    assert part.verdict == SUPPORTED
    _, part = part_over_draws(experiment, rows, of="NPO", relation="<", value=2.0)
    assert (part.verdict, part.reason) == (INCONCLUSIVE, "1 of at least 2 draws")
    assert "low" not in part.numbers and part.holm is None

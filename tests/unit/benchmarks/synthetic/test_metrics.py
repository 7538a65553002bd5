"""Fits on exact data, and the numbers taken from curves by hand."""

import numpy
import pytest
from unlearning.analysis.growth import fit_growth
from unlearning.benchmarks.synthetic.metrics import QUANTITIES

STEPS = numpy.arange(0, 10001, 50)


def value(study: str, name: str, **curves) -> float | None:
    return QUANTITIES[study][name].value(curves)


def test_a_line_is_found_and_preferred():
    growth = fit_growth(STEPS, 3 + 0.5 * STEPS)
    assert growth.linear == pytest.approx((3, 0.5))
    assert growth.linear_r2 == pytest.approx(1)
    assert growth.log_r2 < 1 and growth.log_gain < -3


def test_a_logarithm_is_found_and_preferred():
    growth = fit_growth(STEPS, 1.5 * numpy.log1p(0.02 * STEPS))
    assert growth.logarithmic == pytest.approx((1.5, 0.02), rel=1e-4)
    assert growth.log_r2 == pytest.approx(1)
    assert growth.linear_r2 < 0.9 and growth.log_gain > 3


def test_no_growth_has_no_fit():
    with pytest.raises(ValueError, match="a distance that changes"):
        fit_growth([0, 1, 2], [1.0, 1.0, 1.0])


def test_late_exponent_of_a_power():
    drift = (STEPS**0.5).tolist()
    found = value("divergence", "late_exponent", step=STEPS.tolist(), drift=drift)
    assert found == pytest.approx(0.5)


def test_frontier_gap_is_what_a_path_does_not_dominate():
    """From 0.2 to 0.5 all above 0.5, from 0.5 to 1 all above 0.25: 0.15 + 0.375 of the square."""
    path = {"forget_distance": [1.0, 0.5, 0.2, 1.5], "retain_distance": [0.1, 0.25, 0.5, 0.0]}
    assert value("logistic", "frontier_gap", **path) == pytest.approx(1 - 0.525)


def test_forget_distance_reached_looks_at_the_first_steps():
    curves = {"step": [0, 1200, 1225], "forget_distance": [1.0, 0.5, 0.1]}
    assert value("logistic", "forget_distance_reached", **curves) == 0.5


def test_retain_growth_compares_the_end_with_half_way():
    curves = {"step": [0, 5, 10], "retain_distance": [9, 2, 3]}
    assert value("logistic", "retain_growth", **curves) == 1.5


def test_quantities_of_two_chains():
    curves = {"forget1": [1.0, 0.75, 0.25], "forget2": [0.5, 0.25, 0.5], "retain": [0, 1, 2]}
    assert value("markov", "forget_gap", **curves) == pytest.approx((0.5 + 0.25) / 2)
    assert value("markov", "balanced_forget", **curves) == 0.5
    assert value("markov", "retain_at_half", **curves) == 2
    never = {**curves, "forget2": [1.0, 1.0, 1.0]}
    assert value("markov", "retain_at_half", **never) is None

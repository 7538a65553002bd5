"""Spreads and intervals against values computed by hand."""

import math

import pytest
from unlearning.reporting.statistics import Spread, mean_metrics, spread, t_interval


def test_spread_divides_by_n_minus_one():
    assert spread([2.0, 4.0, 9.0]) == Spread(5.0, pytest.approx(math.sqrt(13)), 3)


def test_spread_of_one_value_has_no_deviation():
    assert spread([0.5]) == Spread(0.5, None, 1)


def test_spread_leaves_out_what_is_not_there():
    assert spread([None, 1.0, None, 3.0]) == Spread(2.0, pytest.approx(math.sqrt(2)), 2)
    assert spread([None]) is None


def test_interval_is_students():
    # t(0.975, 2) = 4.302653, sd 1, n 3
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)


def test_interval_of_equal_values_is_the_point():
    assert t_interval([0.1, 0.1, 0.1]) == (0.1, 0.1)


def test_interval_needs_two_values():
    with pytest.raises(ValueError, match="two values or more, found 1"):
        t_interval([1.0])


def test_mean_metrics_averages_each_metric_where_it_is_known():
    assert mean_metrics([{"a": 1.0, "b": 4.0}, {"a": 3.0}]) == {"a": 2.0, "b": 4.0}

"""Intervals over draws cover what they say, by simulation; components, plans by hand and tables."""

import numpy
import pandas
import pytest
from unlearning.reporting import inference
from unlearning.reporting.frame import FINAL, average
from unlearning.reporting.inference import bootstrap, components, draws_needed, half_width

# standard deviations of a draw, a retrained model, a seed, the remainder: draws differ most
LUCK = (2.0, 1.0, 0.7, 0.5)
MEAN = -3.0
REPEATS = 4000  # a coverage of 95% is then known to 0.3 points


def simulated(design: tuple[int, int, int], repeats: int, seed: int = 1) -> numpy.ndarray:
    """(repeats, draws, retrained models, seeds) values with known deviations around MEAN."""
    draws, retrained, seeds = design
    shapes = ((draws, 1, 1), (draws, retrained, 1), (draws, 1, seeds), design)
    generator = numpy.random.default_rng(seed)
    parts = [
        generator.normal(0, sd, (repeats, *shape)) for sd, shape in zip(LUCK, shapes, strict=True)
    ]
    return MEAN + sum(parts)


def frame_of(values: numpy.ndarray) -> pandas.DataFrame:
    """Rows of the frame: each repeat a label; of the retrained models the mean, as it is read."""
    means = values.mean(axis=2)  # (repeats, draws, seeds)
    label, draw, seed = (index.ravel() for index in numpy.indices(means.shape))
    rows = {"label": label, "draw": draw, "seed": seed, "phase": FINAL, "metric": "log10_x"}
    return pandas.DataFrame({**rows, "value": means.ravel()})


def coverage(low, high, truth: float) -> float:
    return float(numpy.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("design", [(5, 2, 2), (3, 3, 1), (10, 1, 1)], ids=str)
def test_intervals_over_draws_cover_the_mean_as_often_as_they_say(design):
    table = average(frame_of(simulated(design, REPEATS)), ["label"])
    assert set(table["n"]) == {design[0]} and set(table["unit"]) == {"draw"}
    assert 0.93 <= coverage(table["low"], table["high"], MEAN) <= 0.97


@pytest.mark.parametrize("design", [(5, 2, 2), (3, 3, 1), (10, 1, 1)], ids=str)
def test_intervals_of_paired_differences_cover_them_as_often_as_they_say(design):
    ours, theirs = simulated(design, REPEATS, 2), simulated(design, REPEATS, 3)
    # both methods have the luck of their draw in common
    common = numpy.random.default_rng(4).normal(0, 3, (REPEATS, design[0], 1, 1))
    differences = ((ours + common) - (theirs + common + 1.5)).mean(axis=(2, 3))
    half = half_width(differences.std(axis=1, ddof=1), design[0])
    mean = differences.mean(axis=1)
    assert 0.93 <= coverage(mean - half, mean + half, -1.5) <= 0.97


def test_an_interval_over_the_seeds_of_one_draw_says_nothing_of_another():
    one = frame_of(simulated((1, 2, 3), REPEATS))
    table = average(one, ["label"])
    assert set(table["unit"]) == {"seed"} and set(table["n"]) == {3}
    assert coverage(table["low"], table["high"], MEAN) < 0.6


def test_all_runs_counted_as_if_they_were_of_different_draws_give_too_narrow_an_interval():
    values = simulated((5, 2, 2), REPEATS).reshape(REPEATS, -1)
    half = half_width(values.std(axis=1, ddof=1), 20)
    mean = values.mean(axis=1)
    assert coverage(mean - half, mean + half, MEAN) < 0.8


def test_the_bootstrap_of_few_draws_is_too_narrow_and_of_many_draws_like_students():
    few = simulated((5, 2, 2), 200, 5)
    intervals = numpy.array([bootstrap(values) for values in few])
    assert 0.75 < coverage(*intervals.T, MEAN) < 0.93
    (many,) = simulated((150, 2, 2), 1, 6)
    means = many.mean(axis=(1, 2))
    half = half_width(means.std(ddof=1), 150)
    low, high = bootstrap(many)
    # the levels below are resampled on top of what their means already show
    assert 1 < (high - low) / (2 * half) < 1.2
    assert abs((low + high) / 2 - means.mean()) < 0.1 * half


def test_the_bootstrap_takes_draws_with_fewer_models_as_they_are():
    values = numpy.full((3, 2, 3), numpy.nan)
    values[0], values[1, :1, :2], values[2, :, :1] = 1.0, 4.0, 7.0
    # whatever is resampled within a draw is equal: means of three draws of 1, 4, 7
    low, high = bootstrap(values)
    assert low == 1.0 and high == 7.0
    assert bootstrap(numpy.ones((4, 1, 2))) == (1.0, 1.0)


def test_components_by_hand():
    # two draws x two retrained models x two seeds; sums of squares by hand:
    # draw means 2, 8; retrained means 1, 3 | 7, 9; seed means 1.5, 2.5 | 8, 8; grand mean 5
    values = [0.5, 1.5, 2.5, 3.5, 6.0, 8.0, 10.0, 8.0]
    draws = [1, 1, 1, 1, 2, 2, 2, 2]
    retrained, seeds = [1, 1, 2, 2] * 2, [1, 2] * 4
    estimated = components(values, draws, retrained, seeds)
    # mean squares: draws 72 / 1; retrained 8 / 2; seeds 1 / 2; rest 4 / 2 (residuals ±1 in draw 2)
    remainder, of_retrained, of_seed = 2.0, (4 - 2) / 2, 0.0
    of_draw = (72 - 4 - 0.5 + 2) / 4  # E(MS): 4 D + 2 R + 2 S + E; MS of R and S hold E each
    assert estimated.variances == pytest.approx(
        {"draw": of_draw, "retrained": of_retrained, "seed": of_seed, "remainder": remainder}
    )
    assert estimated.counts == {"draw": 2, "retrained": 2, "seed": 2}
    assert sum(estimated.shares.values()) == pytest.approx(1)
    assert estimated.of_draw(2, 4) == pytest.approx(of_draw + 1 / 2 + 0 + 2 / 8)


def test_components_are_those_that_were_put_in():
    pieces = [components_of(values) for values in simulated((8, 3, 3), 150, 7)]
    means = pandas.DataFrame([piece.variances for piece in pieces]).mean()
    expected = {"draw": 4.0, "retrained": 1.0, "seed": 0.49, "remainder": 0.25}
    assert means.to_dict() == pytest.approx(expected, rel=0.15)


def components_of(values: numpy.ndarray) -> inference.Components:
    draws, retrained, seeds = (index.ravel() for index in numpy.indices(values.shape))
    return components(values.ravel(), draws.tolist(), retrained.tolist(), seeds.tolist())


def test_what_a_design_cannot_tell_apart_is_left_out():
    def names(*design: int) -> list[str]:
        return [*components_of(simulated(design, 1)[0]).variances]

    assert names(1, 2, 3) == ["retrained", "seed", "remainder"]
    assert names(4, 1, 3) == ["draw", "seed"]
    assert names(4, 2, 1) == ["draw", "retrained"]
    assert names(4, 1, 1) == ["draw"]
    assert names(1, 1, 3) == ["seed"]
    assert names(1, 1, 1) == []


def test_components_of_an_incomplete_design_are_near_those_of_the_whole():
    values = simulated((40, 3, 3), 1, 8)[0]
    draws, retrained, seeds = (index.ravel() for index in numpy.indices(values.shape))
    there = numpy.random.default_rng(9).random(values.size) < 0.8
    lost = [keys[there].tolist() for keys in (values.ravel(), draws, retrained, seeds)]
    whole = components_of(values)
    assert components(*lost).variances == pytest.approx(whole.variances, rel=0.25)


def test_equal_values_have_no_shares():
    estimated = components_of(numpy.ones((2, 2, 2)))
    assert estimated.shares == {} and set(estimated.variances.values()) == {0.0}


def test_draws_needed_are_those_of_the_t_test_tables():
    # one-sample t-test, two-sided 5%, power 80% (G*Power 3.1): effect 1 takes 10, 0.5 takes 34
    assert draws_needed(1.0, 1.0) == 10
    assert draws_needed(4.0, 1.0) == 34
    assert draws_needed(0.0, 1.0) == 2
    assert draws_needed(1e6, 1.0) is None


def test_a_plan_sees_the_difference_as_often_as_it_says():
    piece = inference.Components(
        dict(zip(inference.COMPONENTS, numpy.square(LUCK).tolist(), strict=True)), {}
    )
    needed = draws_needed(piece.of_draw(2, 2), 2.0)
    means = simulated((needed, 2, 2), REPEATS, 10).mean(axis=(2, 3)) - MEAN + 2.0
    half = half_width(means.std(axis=1, ddof=1), needed)
    assert 0.78 <= float(numpy.mean(means.mean(axis=1) > half)) <= 0.86

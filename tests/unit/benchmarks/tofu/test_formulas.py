"""TOFU metrics by hand."""

import math

import numpy
import pytest
from unlearning.benchmarks.tofu import forget_quality
from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.errors import UserError
from unlearning.evaluation.likelihood import COLLAPSED_LOSS, Score, batches_by_length

LN2 = math.log(2)
ROWS = {
    "question": ["a", "b"],
    "answer_loss": [LN2, 2 * LN2],
    "paraphrase_loss": [LN2, 3 * LN2],
    "perturbed_loss": [[2 * LN2, 4 * LN2], [LN2, LN2]],
    "rouge_l_recall": [1.0, 0.5],
}


def test_truth_ratio_is_a_ratio_of_geometric_means():
    # row a: mean of 2 and 4 is 3, less 1: x = 2^2; row b: 1 - 3: x = 2^-2
    assert tofu.log_truth_ratio(ROWS) == pytest.approx([2 * LN2, -2 * LN2])


def test_set_metrics_by_hand():
    forget = tofu.set_metrics("forget", ROWS)
    assert forget["forget_probability"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert forget["forget_truth_ratio"] == pytest.approx(1 / 4)  # min(x, 1/x) for both rows
    assert forget["forget_rouge"] == 0.75
    retain = tofu.set_metrics("retain", ROWS)
    assert retain["retain_truth_ratio"] == pytest.approx((3 / 4 + 0) / 2)  # max(0, 1 - 1/x)


def test_general_sets_take_probability_among_the_choices():
    rows = {k: v for k, v in ROWS.items() if k != "paraphrase_loss"}
    # row a: 1/2 among 1/2, 1/4, 1/16; row b: 1/4 among 1/4, 1/2, 1/2
    expected = (0.5 / 0.8125 + 0.25 / 1.25) / 2
    metrics = tofu.set_metrics("world_facts", rows)
    assert metrics["world_facts_probability"] == pytest.approx(expected)


def test_truth_ratio_of_the_paper_takes_arithmetic_means():
    # row a: paraphrase 1/2; perturbed 1/4 and 1/16, mean 5/32. Row b: 1/8 against 1/2
    expected = [math.log(0.5 / (5 / 32)), math.log((1 / 8) / (1 / 2))]
    assert tofu.log_truth_ratio(ROWS, "paper") == pytest.approx(expected)
    retain = tofu.set_metrics("retain", ROWS, "paper")
    assert retain["retain_truth_ratio"] == pytest.approx((1 - (5 / 32) / 0.5) / 2)
    forget = tofu.set_metrics("forget", ROWS, "paper")
    assert forget["forget_truth_ratio"] == pytest.approx((5 / 16 + 1 / 4) / 2)


def test_truth_ratio_of_open_unlearning_guards_its_denominators():
    unlikely = {
        **ROWS,
        "paraphrase_loss": [LN2, 40 * LN2],
        "perturbed_loss": [[3 * LN2], [2 * LN2]],
    }
    # wrong / (right + 1e-10): 1/8 over 1/2, and 1/4 over 2^-40 + 1e-10
    wrong = [(1 / 8) / (0.5 + 1e-10), 0.25 / (2**-40 + 1e-10)]
    log_ratio = tofu.log_truth_ratio(unlikely, "open-unlearning")
    assert numpy.exp(-log_ratio) == pytest.approx(wrong, rel=1e-12)
    forget = tofu.set_metrics("forget", unlikely, "open-unlearning")
    expected = (wrong[0] + 1 / (wrong[1] + 1e-10)) / 2
    assert forget["forget_truth_ratio"] == pytest.approx(expected, rel=1e-12)
    retain = tofu.set_metrics("retain", unlikely, "open-unlearning")
    assert retain["retain_truth_ratio"] == pytest.approx((1 - wrong[0]) / 2, rel=1e-12)
    assert tofu.set_metrics("retain", unlikely)["retain_truth_ratio"] == pytest.approx(0.75 / 2)


def test_probability_among_the_choices_by_variant():
    rows = {k: v for k, v in ROWS.items() if k != "paraphrase_loss"}
    rows |= {"answer_tokens": [2, 1], "perturbed_tokens": [[1, 1], [2, 3]]}
    paper = tofu.normalised_probability(rows, "paper")
    # complete answers: row a 1/4 among 1/4, 1/4, 1/16; row b 1/4 among 1/4, 1/4, 1/8
    assert paper == pytest.approx([4 / 9, 2 / 5])
    guarded = tofu.normalised_probability(rows, "open-unlearning")
    assert guarded == pytest.approx([0.5 / (0.8125 + 1e-10), 0.25 / (1.25 + 1e-10)], rel=1e-13)


def test_forget_quality_follows_the_variant():
    retrained = {**ROWS, "perturbed_loss": [[3 * LN2, 3 * LN2], [LN2, LN2]]}
    # the same geometric, another arithmetic mean
    assert forget_quality.forget_quality(ROWS, retrained)["ks_statistic"] == 0
    assert forget_quality.forget_quality(ROWS, retrained, variant="paper")["ks_statistic"] == 0.5
    assert forget_quality.forget_quality(ROWS, retrained)["forget_quality_rows"] == 2


def test_model_utility_is_a_harmonic_mean_and_zero_if_a_part_is():
    parts = dict.fromkeys(tofu.PARTS, 0.5)
    assert tofu.model_utility(parts) == pytest.approx(0.5)
    assert tofu.model_utility({**parts, tofu.PARTS[0]: 0.25}) == pytest.approx(9 / (8 * 2 + 4))
    assert tofu.model_utility({**parts, tofu.PARTS[0]: 0.0}) == 0.0


def test_floors_of_forget_quality():
    for rows, floor in ((400, 1.06e-239), (200, 1.94e-119)):
        quality = forget_quality.compare(numpy.arange(rows), numpy.arange(rows) + rows)
        assert quality["forget_quality"] == pytest.approx(floor, rel=5e-3)
        assert quality["ks_statistic"] == 1.0
        assert quality["log10_forget_quality"] == pytest.approx(math.log10(floor), rel=1e-3)


def test_forget_quality_refuses_other_rows():
    retrained = {**ROWS, "question": ["a", "c"]}
    with pytest.raises(UserError, match="row 1: 'b' and 'c'"):
        forget_quality.forget_quality(ROWS, retrained)
    with pytest.raises(UserError, match="2 and 1 rows"):
        forget_quality.forget_quality(ROWS, {**ROWS, "question": ["a"]})


def test_a_collapsed_model_has_a_very_large_loss_and_no_utility():
    score = Score.of(math.nan, 3)
    assert score.mean == COLLAPSED_LOSS
    collapsed = {**ROWS, "answer_loss": [score.mean] * 2, "perturbed_loss": [[score.mean] * 2] * 2}
    collapsed["paraphrase_loss"] = collapsed["answer_loss"]
    metrics = tofu.set_metrics("retain", collapsed)
    assert metrics["retain_probability"] == 0.0 and metrics["retain_truth_ratio"] == 0.0


def test_batches_hold_every_index_once_and_keep_to_the_budget():
    lengths = [3, 9, 4, 4, 8, 1, 20]
    batches = list(batches_by_length(lengths, 16))
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 16


def test_truth_share_is_prob_mean_of_open_unlearning():
    """0.5 for the truth against the geometric mean of 0.25 and 0.0625, 0.125: 0.8; or without a
    paraphrase against the answer's 0.125: one half."""
    false = [-math.log(0.25), -math.log(0.0625)]
    rows = {"answer_loss": [-math.log(0.125)], "perturbed_loss": [false]}
    assert tofu.truth_share(rows).tolist() == pytest.approx([0.5])
    rows["paraphrase_loss"] = [-math.log(0.5)]
    assert tofu.truth_share(rows).tolist() == pytest.approx([0.8])
    metrics = tofu.set_metrics("forget", rows)
    assert metrics["forget_truth_share"] == pytest.approx(0.8)
    # open-unlearning's PARA and PERT probabilities: 0.5, and the mean of 0.25 and 0.0625
    assert metrics["forget_paraphrase_probability"] == pytest.approx(0.5)
    assert metrics["forget_perturbed_probability"] == pytest.approx(0.15625)

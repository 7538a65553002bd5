"""Verdicts on constructed data, against intervals computed by hand."""

import math

import pytest
from claim_cases import REFERENCES, claim_of, parts_of, utilities
from report_world import results_of, run_rows
from unlearning.config.experiment import Experiment
from unlearning.reporting.claims.judge import (
    INCONCLUSIVE,
    MIXED,
    NOT_RUN,
    REFUTED,
    SUPPORTED,
    combined,
    holm,
    judge,
)
from unlearning.reporting.claims.view import counts, lines, predicate
from unlearning.reporting.frame import COURSE, RELEARN

LARGE = ("experiments/mini-large-splits.yaml",)


def test_supported_with_a_hand_computed_interval(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    (part,) = parts_of(experiment, rows, of="GA", relation="<", value=0.5)
    # differences -0.4, -0.3, -0.2; half width 4.302653 * 0.1 / sqrt(3); t = -0.3 sqrt(3) / 0.1
    assert part.verdict == SUPPORTED
    assert part.numbers["difference"] == pytest.approx(-0.3)
    assert part.numbers["low"] == pytest.approx(-0.548414, abs=1e-6)
    assert part.numbers["high"] == pytest.approx(-0.051586, abs=1e-6)
    # two-sided with 2 degrees of freedom: 1 - |t| / sqrt(2 + t^2) with t^2 = 27
    assert part.numbers["p"] == pytest.approx(1 - math.sqrt(27 / 29))
    assert part.seeds == 3


def test_not_supported_when_wholly_on_the_other_side(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    (part,) = parts_of(experiment, rows, of="GA", relation=">", value=0.5)
    assert part.verdict == REFUTED


def test_inconclusive_when_the_interval_holds_zero(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    (part,) = parts_of(experiment, rows, of="GA", relation=">", value=0.3)
    assert (part.verdict, part.reason) == (INCONCLUSIVE, "the interval includes no difference")


def test_inconclusive_with_too_few_seeds_and_it_says_so(experiment):
    rows = utilities("GA", [0.0, 0.0])
    (part,) = parts_of(experiment, rows, of="GA", relation="<", value=0.5)
    assert (part.verdict, part.reason) == (INCONCLUSIVE, "2 of at least 3 seeds")
    (part,) = parts_of(experiment, rows, of="GA", relation="<", value=0.5, seeds_at_least=2)
    assert part.verdict == SUPPORTED


def test_not_run(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    (part,) = parts_of(experiment, rows, of="SimNPO+RT", than="NPO+RT")
    assert part.verdict == NOT_RUN
    assert "SimNPO+RT and NPO+RT" in part.reason


def test_a_method_of_ones_own_is_judged_where_it_runs(experiment, tmp_path):
    (tmp_path / "mine.py").write_text("def loss(batch, floor=2.0):\n    return batch.forget.nll\n")
    stated = {"function": f"{tmp_path}/mine.py:loss", "floor": [1.0, 2.0]}
    own = Experiment({**experiment.config, "methods": {"mine+RT": stated, "GA": {}}})
    rows = utilities("mine+RT", [0.6, 0.7, 0.8], (("floor", 1.0),))
    rows += utilities("mine+RT", [0.1, 0.2, 0.3], (("floor", 2.0),))
    low, high = parts_of(own, rows, of="mine+RT", value=0.5)
    assert (low.variant, low.verdict) == ("mine+RT floor=1", INCONCLUSIVE)
    assert (high.variant, high.verdict) == ("mine+RT floor=2", REFUTED)
    selection = ("mine+RT", (("floor", 1.0),))
    (part,) = parts_of(own, rows, of=selection, value=0.3)
    # mean 0.4 above, half width 0.248414 as in the first test
    assert part.verdict == SUPPORTED
    assert part.numbers["low"] == pytest.approx(0.151586, abs=1e-6)
    (part,) = parts_of(experiment, utilities("GA", [0.1] * 3), of=selection, value=1)
    assert part.verdict == NOT_RUN and "a config with that method judges it" in part.reason
    (part,) = parts_of(own, rows, of=("mine+RT", (("ceiling", 1.0),)), value=0.3)
    assert part.verdict == NOT_RUN


def test_seeds_are_paired(experiment):
    # unpaired, the spread over seeds would hide a difference of 0.1 in every seed
    ours, theirs = [0.3, 0.5, 0.71, 0.9], [0.2, 0.4, 0.6, 0.81]
    rows = utilities("SimNPO+RT", ours) + utilities("NPO+RT", theirs)[::-1]
    (part,) = parts_of(experiment, rows, of="SimNPO+RT", than="NPO+RT")
    assert part.verdict == SUPPORTED
    assert part.numbers["difference"] == pytest.approx(0.1)


def test_only_shared_seeds_are_paired(experiment):
    rows = utilities("SimNPO+RT", [0.5, 0.6, 0.7, 0.8]) + utilities("NPO+RT", [0.1, 0.2, 0.3])
    (part,) = parts_of(experiment, rows, of="SimNPO+RT", than="NPO+RT")
    assert part.seeds == 3
    assert part.numbers["difference"] == pytest.approx(0.4)


def test_equal_values_make_the_interval_a_point(experiment):
    (part,) = parts_of(experiment, utilities("GA", [0.0] * 3), of="GA", relation="<", value=0.05)
    assert part.verdict == SUPPORTED
    assert part.numbers["low"] == part.numbers["high"] == pytest.approx(-0.05)
    assert part.numbers["p"] == 0.0


@pytest.mark.parametrize("relation", ["<", ">"])
def test_rounding_is_no_difference(experiment, relation):
    """0.1 + 0.2 is more than 0.3 by 6e-17, for every seed."""
    rows = utilities("GA", [0.1 + 0.2] * 3)
    (part,) = parts_of(experiment, rows, of="GA", relation=relation, value=0.3)
    assert part.verdict == INCONCLUSIVE
    assert (part.numbers["low"], part.numbers["high"], part.numbers["p"]) == (0.0, 0.0, 1.0)


def test_factor_and_margin_apply_to_the_other_side(experiment):
    rows = utilities("NPO+RT", [0.75] * 3)
    (part,) = parts_of(experiment, rows, of="NPO+RT", than="target", factor=0.9, margin=0.01)
    assert part.numbers["than"] == pytest.approx(0.9 * 0.8 + 0.01)
    assert part.verdict == SUPPORTED


def test_a_constant_is_judged_by_its_value(experiment):
    claim = {"metric": "forget_quality", "of": "target", "value": 0.05, "scale": "log10"}
    (part,) = parts_of(experiment, [], relation="<", **claim)
    assert (part.verdict, part.seeds) == (SUPPORTED, 0)
    assert part.numbers["difference"] == pytest.approx(-12 - math.log10(0.05))
    assert "p" not in part.numbers and part.holm is None and part.corrected == ""
    (part,) = parts_of(experiment, [], of="target", than="retrain", relation="<")
    assert part.numbers["than"] == pytest.approx(0.84)


def test_log_scale_compares_orders_of_magnitude(experiment):
    rows = utilities("GA", [1e-3, 1e-5, 1e-4], metric="forget_quality")
    (part,) = parts_of(
        experiment, rows, metric="forget_quality", of="GA", relation="<", value=0.1, scale="log10"
    )
    assert part.numbers["of"] == pytest.approx(1e-4)  # the geometric mean
    assert part.numbers["difference"] == pytest.approx(-3)


def test_absolute_scale_compares_distances_from_0(experiment):
    rows = utilities("GA", (-30.0, -40.0, -50.0), metric="privleak")
    rows += utilities("NPO", (20.0, 25.0, -10.0), metric="privleak")
    claim = {"metric": "privleak", "of": "NPO", "than": "GA", "relation": "<", "scale": "absolute"}
    (part,) = parts_of(experiment, rows, **claim)
    assert part.numbers["difference"] == pytest.approx((-10 - 15 - 40) / 3)
    assert part.numbers["of"] == pytest.approx(55 / 3)


def test_variants_are_judged_one_by_one_and_filters_know_defaults(experiment):
    rows = utilities("NPO+RT", [0.7] * 3) + utilities("NPO+RT", [0.8] * 3, (("beta", 1.0),))
    parts = parts_of(experiment, rows, of="NPO+RT", value=0.5)
    assert [part.variant for part in parts] == ["NPO+RT", "NPO+RT β=1"]
    # the first variant states no β and has the published default of 0.1
    (part,) = parts_of(experiment, rows, of=("NPO+RT", (("beta", 0.1),)), value=0.5)
    assert part.variant == "NPO+RT"


def test_a_method_is_meant_with_its_published_reference(experiment):
    replaced = (("reference", "retrain"),)
    rows = utilities("NPO+RT", [0.7] * 3) + utilities("NPO+RT", [0.8] * 3, replaced)
    (part,) = parts_of(experiment, rows, of="NPO+RT", value=0.5)
    assert part.variant == "NPO+RT"
    (part,) = parts_of(experiment, rows, of=("NPO+RT", replaced), value=0.5)
    assert part.variant == "NPO+RT ref. retrain"


def test_a_claim_compares_two_metrics_of_the_same_run(experiment):
    rows = []
    for seed, (short, long) in enumerate(((1e-3, 1e-1), (1e-5, 1e-2), (1e-4, 1e-3)), 1):
        for hyper in ((("beta", 0.1),), (("beta", 1.0),)):
            names = {"forget_quality@short": short, "forget_quality@long": long}
            rows += run_rows("NPO+RT", seed, hyper, **names)
    parts = parts_of(
        experiment,
        rows,
        metric="forget_quality@short",
        of="NPO+RT",
        relation="<",
        than_metric="forget_quality@long",
        scale="log10",
    )
    assert [part.variant for part in parts] == ["NPO+RT β=0.1", "NPO+RT β=1"]
    # differences -2, -3, -1
    assert [part.numbers["difference"] for part in parts] == pytest.approx([-2, -2])


def relearning(method, seed, attack, values, hyper=()):
    rows = []
    for epoch, value in enumerate(values):
        where = {"phase": RELEARN, "attack": attack, "epoch": epoch}
        rows += run_rows(method, seed, hyper, **where, log10_forget_quality=value)
    return rows


def test_relearning_drop_is_before_minus_after_for_each_attack(experiment):
    rows = []
    for method, drop in (("NPO+RT", 2.0), ("SimNPO+RT", 1.0)):
        for seed in (1, 2, 3):
            rows += run_rows(method, seed, log10_forget_quality=-1.0)
            for attack in ("random", "shortest"):
                values = [-1.0 - drop * epoch + 0.01 * seed * epoch for epoch in (0, 1, 2)]
                rows += relearning(method, seed, attack, values)
    claim = {"metric": "relearning_log10_drop", "of": "SimNPO+RT", "than": "NPO+RT"}
    parts = parts_of(experiment, rows, relation="<", **claim)
    assert [(part.attack, part.verdict) for part in parts] == [
        ("random", SUPPORTED),
        ("shortest", SUPPORTED),
    ]
    assert parts[0].numbers["of"] == pytest.approx(2.0 - 0.04)
    assert parts[0].numbers["difference"] == pytest.approx(-2.0)


def test_attacks_of_equal_shares_are_compared(experiment):
    ends = {"random/fraction=0.1": -2.0, "random/fraction=0.2": -4.0}
    ends |= {"shortest/fraction=0.1": -3.0, "shortest/fraction=0.2": -6.0}
    rows = utilities("NPO+RT", [-1.0] * 3, metric="log10_forget_quality")
    for attack, end in ends.items():
        for seed in (1, 2, 3):
            rows += relearning("NPO+RT", seed, attack, [-1.0, end])
    parts = parts_of(
        experiment,
        rows,
        metric="relearning_log10_drop",
        of=("NPO+RT", (), "last", "", "shortest"),
        than=("NPO+RT", (), "last", "", "random"),
    )
    assert [part.attack for part in parts] == ["shortest/fraction=0.1", "shortest/fraction=0.2"]
    assert [part.numbers["difference"] for part in parts] == pytest.approx([1.0, 2.0])


def test_a_comparison_of_a_method_with_itself_holds_all_else_equal(experiment):
    rows = []
    for beta in (0.1, 1.0):
        for weight in (0.0, 2.0):
            hyper = (("beta", beta), ("retain_coeff", weight))
            rows += utilities("NPO+RT", [beta / 2 + weight / 10] * 3, hyper)
    parts = parts_of(
        experiment,
        rows,
        of=("NPO+RT", (("retain_coeff", 2),)),
        than=("NPO+RT", (("retain_coeff", 0),)),
    )
    assert [part.numbers["difference"] for part in parts] == pytest.approx([0.2, 0.2])


def test_a_peak_is_the_epoch_of_the_best_mean_over_seeds(experiment):
    """By seed it would be epoch 1 for the first and 2 for the second."""
    courses = {1: (-9, -1.0, -1.5, -8), 2: (-9, -6.0, -1.5, -8), 3: (-9, -6.0, -2.0, -7)}
    ends, on_the_way = [], []
    for seed, values in courses.items():
        for epoch, log in enumerate(values):
            metrics = {"log10_forget_quality": float(log), "forget_quality": 10.0**log}
            on_the_way += run_rows("GA", seed, phase=COURSE, epoch=epoch, **metrics)
        ends += run_rows("GA", seed, **metrics)
    claim = {"metric": "forget_quality", "scale": "log10", "than": "GA", "factor": 10}
    (part,) = parts_of(experiment, ends, of=("GA", (), "peak"), **claim)
    assert part.verdict == NOT_RUN  # nothing was evaluated on the way
    (part,) = parts_of(experiment, ends + on_the_way, of=("GA", (), "peak"), **claim)
    # 6.5, 6.5 and 5 orders of magnitude, less the one of the factor
    assert part.numbers["difference"] == pytest.approx(5.0)
    assert part.verdict == SUPPORTED


def test_the_tuned_variant_is_the_most_useful_of_those_that_forget(experiment):
    rows = []
    for weight, quality, utility in ((1.0, -0.5, 0.5), (2.0, -1.0, 0.7), (5.0, -4.0, 0.8)):
        for seed in (1, 2, 3):
            hyper = (("retain_coeff", weight),)
            rows += run_rows(
                "NPO+RT", seed, hyper, log10_forget_quality=quality, model_utility=utility
            )
    (part,) = parts_of(experiment, rows, of=("NPO+RT", (), "last", "tuned"), value=0.55)
    assert (part.variant, part.verdict) == ("NPO+RT retain ×2", SUPPORTED)


def test_a_claim_about_other_splits_is_not_run(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    there = {"of": "GA", "relation": "<", "value": 0.5}
    (part,) = parts_of(experiment, rows, **there, splits=("forget10", "forget50"))
    assert part.verdict == SUPPORTED
    (part,) = parts_of(experiment, rows, **there, splits=("forget50",), configs=LARGE)
    assert (part.verdict, part.split) == (NOT_RUN, "forget50")
    assert "mini-large-splits.yaml" in part.reason


def test_claims_about_other_studies_are_left_out(experiment):
    results = results_of(experiment, REFERENCES)
    assert judge([claim_of(of="GA", value=1, study="muse", metric="privleak")], results) == []


# --- one verdict for each claim ---


@pytest.mark.parametrize(
    ("verdicts", "one"),
    [
        ([SUPPORTED], SUPPORTED),
        ([SUPPORTED, SUPPORTED], SUPPORTED),
        ([REFUTED], REFUTED),
        ([REFUTED, REFUTED], REFUTED),
        ([INCONCLUSIVE], INCONCLUSIVE),
        ([NOT_RUN], NOT_RUN),
        ([], NOT_RUN),
        ([NOT_RUN, NOT_RUN], NOT_RUN),
        ([SUPPORTED, REFUTED], MIXED),
        ([SUPPORTED, REFUTED, INCONCLUSIVE], MIXED),
        ([SUPPORTED, INCONCLUSIVE], INCONCLUSIVE),
        ([REFUTED, INCONCLUSIVE], REFUTED),
        ([SUPPORTED, NOT_RUN], SUPPORTED),
        ([REFUTED, NOT_RUN], REFUTED),
        ([INCONCLUSIVE, NOT_RUN], INCONCLUSIVE),
        ([SUPPORTED, REFUTED, NOT_RUN], MIXED),
        ([SUPPORTED, INCONCLUSIVE, NOT_RUN], INCONCLUSIVE),
    ],
)
def test_one_verdict_of_several_parts(verdicts, one):
    assert combined(verdicts) == combined(verdicts[::-1]) == one


def test_counts_count_claims_and_not_parts(experiment):
    rows = utilities("NPO+RT", [0.7, 0.8, 0.9]) + utilities("NPO+RT", [0.1] * 3, (("beta", 1.0),))
    rows += utilities("GA", [0.1, 0.2, 0.3])
    claims = [
        claim_of(id="mixed", of="NPO+RT", value=0.4),
        claim_of(id="holds", of="GA", relation="<", value=0.5),
        claim_of(id="elsewhere", of="DPO+RT", value=0.5),
    ]
    judged = judge(claims, results_of(experiment, [*REFERENCES, *rows]))
    assert [one.verdict for one in judged] == [MIXED, SUPPORTED, NOT_RUN]
    assert counts(judged) == {
        SUPPORTED: 1,
        REFUTED: 0,
        MIXED: 1,
        INCONCLUSIVE: 0,
        NOT_RUN: 1,
    }
    record = judged[0].record()
    assert (record["verdict"], record["method"]) == (MIXED, "NPO+RT")
    assert [part["variant"] for part in record["parts"]] == ["NPO+RT", "NPO+RT β=1"]


# --- multiple comparisons ---


def test_holm_of_a_worked_example():
    """0.01, 0.04, 0.03, 0.005: sorted times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04, and no value
    after a larger one may be smaller: 0.06 stays."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_of_few_equal_and_large_values():
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([0.0, 1.0]) == [0.0, 1.0]


def test_verdicts_after_the_correction_stand_beside_the_plain_ones(experiment):
    """p 0.0351 alone is below 0.05; beside a second test it is doubled."""
    rows = utilities("GA", [0.1, 0.2, 0.3]) + utilities("NPO", [0.500, 0.501, 0.502])
    close = claim_of(id="close", of="GA", relation="<", value=0.5)
    sure = claim_of(id="sure", of="NPO", value=0.1)
    unsure = claim_of(id="unsure", of="GA", value=0.2)
    results = results_of(experiment, [*REFERENCES, *rows])
    (alone,) = judge([close], results)
    assert alone.verdict == alone.corrected == SUPPORTED
    assert alone.parts[0].holm == pytest.approx(1 - math.sqrt(27 / 29))
    beside = judge([close, sure, unsure], results)
    assert [one.verdict for one in beside] == [SUPPORTED, SUPPORTED, INCONCLUSIVE]
    assert [one.corrected for one in beside] == [INCONCLUSIVE, SUPPORTED, INCONCLUSIVE]
    # the smallest of three p-values is tripled, the second doubled, the last is 1 as it was
    p = [one.parts[0].numbers["p"] for one in beside]
    assert [one.parts[0].holm for one in beside] == pytest.approx([2 * p[0], 3 * p[1], 1.0])
    assert beside[0].record()["after_holm"] == INCONCLUSIVE
    (line,) = lines(beside[0])
    assert line.changed and line.p == "p 0.035, Holm 0.070"


# --- in words ---


def test_differences_carry_their_unit_and_interval(experiment):
    rows = utilities("GA", [1e-3, 1e-5, 1e-4], metric="forget_quality")
    claim = {"metric": "forget_quality", "of": "GA", "relation": "<", "value": 0.1}
    judged = judge([claim_of(**claim, scale="log10")], results_of(experiment, rows))
    (line,) = lines(judged[0])
    # half width 4.302653 / sqrt(3) = 2.484138
    assert line.difference == "-3.00 [-5.48, -0.516]"
    assert line.unit == "orders of magnitude"
    assert line.numbers == "1.0e-4 vs 0.100"
    drawn = line.interval
    assert 0 < drawn.low < drawn.mean < drawn.high < drawn.zero < 100
    assert not drawn.claimed_right


def test_an_interval_is_drawn_to_scale(experiment):
    rows = utilities("GA", [0.1, 0.2, 0.3])
    judged = judge([claim_of(of="GA", value=0.1)], results_of(experiment, rows))
    drawn = lines(judged[0])[0].interval
    # from 0.1 - 0.248414 to 0.1 + 0.248414, with 12% of that on both sides
    left, width = 0.1 - 0.248414 - 0.12 * 0.496828, 1.24 * 0.496828
    assert drawn.zero == pytest.approx(100 * (0 - left) / width, abs=0.1)
    assert drawn.mean == pytest.approx(50, abs=0.1)
    assert (drawn.low, drawn.high) == pytest.approx((100 * 0.12 / 1.24, 100 * 1.12 / 1.24), abs=0.1)
    assert drawn.claimed_right


def test_a_claim_as_a_formula():
    claim = claim_of(of=("NPO+RT", (("beta", 0.1),)), than="target", factor=0.9, margin=-0.02)
    assert predicate(claim) == "Model utility: NPO+RT β=0.1 > 0.9 × Target - 0.02"
    claim = claim_of(of=("GA", (), "peak"), metric="forget_quality", value=0.05, scale="log10")
    assert predicate(claim) == "Forget quality: GA, at peak FQ > 0.05 (on a log₁₀ scale)"

"""Verdicts on constructed data."""

import math

import pytest
from unlearning.benchmarks.tofu.reporting.results import Evaluated, Results, SplitResults
from unlearning.benchmarks.tofu.reporting.trajectories import Point
from unlearning.benchmarks.tofu.reporting.verdicts import judge_claim
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun
from unlearning.reporting.claims_file import Claim, Selection


def model(method, seed, hyper=(), **metrics):
    return Evaluated("forget10", method, hyper, seed, f"{method}/{seed}", metrics)


def results_of(experiment, unlearned, attacks=()):
    target = model("target", 42, model_utility=0.8, forget_quality=1e-12)
    retrained = [model("retrain", seed, model_utility=0.84) for seed in (1, 2)]
    split = SplitResults("forget10", {}, target, retrained, unlearned, attacks=list(attacks))
    return Results(experiment, [split], [])


def utilities(method, values, hyper=()):
    return [model(method, s, hyper, model_utility=v) for s, v in enumerate(values, 1)]


def verdict_of(results, **claim):
    entry = {"id": "x", "statement": "", "source": "", "metric": "model_utility", "relation": ">"}
    for key in {"of", "than"} & set(claim):
        stated = claim[key] if isinstance(claim[key], tuple) else (claim[key],)
        claim[key] = Selection(*stated)
    return judge_claim(Claim(**entry | claim), results)


def test_supported_with_a_hand_computed_interval(experiment):
    results = results_of(experiment, utilities("GA", [0.1, 0.2, 0.3]))
    (found,) = verdict_of(results, of="GA", relation="<", value=0.5)
    # differences -0.4, -0.3, -0.2; half width 4.302653 * 0.1 / sqrt(3)
    assert found.verdict == "supported"
    assert found.numbers["difference"] == pytest.approx(-0.3)
    assert found.numbers["low"] == pytest.approx(-0.548414, abs=1e-6)
    assert found.numbers["high"] == pytest.approx(-0.051586, abs=1e-6)
    assert found.seeds == 3


def test_not_supported_when_wholly_on_the_other_side(experiment):
    results = results_of(experiment, utilities("GA", [0.1, 0.2, 0.3]))
    (found,) = verdict_of(results, of="GA", relation=">", value=0.5)
    assert found.verdict == "not supported"


def test_inconclusive_when_the_interval_holds_zero(experiment):
    results = results_of(experiment, utilities("GA", [0.1, 0.2, 0.3]))
    (found,) = verdict_of(results, of="GA", relation=">", value=0.3)
    assert (found.verdict, found.reason) == ("inconclusive", "the interval includes no difference")


def test_inconclusive_with_too_few_seeds_and_it_says_so(experiment):
    results = results_of(experiment, utilities("GA", [0.0, 0.0]))
    (found,) = verdict_of(results, of="GA", relation="<", value=0.5)
    assert (found.verdict, found.reason) == ("inconclusive", "2 of at least 3 seeds")
    (found,) = verdict_of(results, of="GA", relation="<", value=0.5, seeds_at_least=2)
    assert found.verdict == "supported"


def test_not_run(experiment):
    results = results_of(experiment, utilities("GA", [0.1, 0.2, 0.3]))
    (found,) = verdict_of(results, of="SimNPO+RT", than="NPO+RT")
    assert found.verdict == "not run"
    assert "SimNPO+RT and NPO+RT" in found.reason


def test_a_method_of_ones_own_is_judged_where_it_runs(experiment, tmp_path):
    (tmp_path / "mine.py").write_text("def loss(batch, floor=2.0):\n    return batch.forget.nll\n")
    stated = {"function": f"{tmp_path}/mine.py:loss", "floor": [1.0, 2.0]}
    own = Experiment({**experiment.config, "methods": {"mine+RT": stated, "GA": {}}})
    values = {(("floor", 1.0),): [0.6, 0.7, 0.8], (("floor", 2.0),): [0.1, 0.2, 0.3]}
    models = [m for hyper, seeds in values.items() for m in utilities("mine+RT", seeds, hyper)]
    low, high = verdict_of(results_of(own, models), of="mine+RT", value=0.5)
    assert (low.variant, low.verdict) == ("mine+RT floor=1", "inconclusive")
    assert (high.variant, high.verdict) == ("mine+RT floor=2", "not supported")
    selection = ("mine+RT", (("floor", 1.0),))
    (found,) = verdict_of(results_of(own, models), of=selection, value=0.3)
    # mean 0.4 above, half width 0.248414 as in the first test
    assert found.verdict == "supported"
    assert found.numbers["low"] == pytest.approx(0.151586, abs=1e-6)
    (found,) = verdict_of(results_of(experiment, utilities("GA", [0.1] * 3)), of=selection, value=1)
    assert found.verdict == "not run" and "a config with that method judges it" in found.reason
    wrong = ("mine+RT", (("ceiling", 1.0),))
    (found,) = verdict_of(results_of(own, models), of=wrong, value=0.3)
    assert found.verdict == "not run"


def test_seeds_are_paired(experiment):
    # unpaired, the spread over seeds would hide a difference of 0.1 in every seed
    ours, theirs = [0.3, 0.5, 0.71, 0.9], [0.2, 0.4, 0.6, 0.81]
    unlearned = utilities("SimNPO+RT", ours) + utilities("NPO+RT", theirs)[::-1]
    (found,) = verdict_of(results_of(experiment, unlearned), of="SimNPO+RT", than="NPO+RT")
    assert found.verdict == "supported"
    assert found.numbers["difference"] == pytest.approx(0.1)


def test_only_shared_seeds_are_paired(experiment):
    unlearned = utilities("SimNPO+RT", [0.5, 0.6, 0.7, 0.8]) + utilities("NPO+RT", [0.1, 0.2, 0.3])
    (found,) = verdict_of(results_of(experiment, unlearned), of="SimNPO+RT", than="NPO+RT")
    assert found.seeds == 3
    assert found.numbers["difference"] == pytest.approx(0.4)


def test_equal_values_make_the_interval_a_point(experiment):
    results = results_of(experiment, utilities("GA", [0.0, 0.0, 0.0]))
    (found,) = verdict_of(results, of="GA", relation="<", value=0.05)
    assert found.verdict == "supported"
    assert (found.numbers["low"], found.numbers["high"]) == (-0.05, -0.05)


def test_factor_and_margin_apply_to_the_other_side(experiment):
    results = results_of(experiment, utilities("NPO+RT", [0.75, 0.75, 0.75]))
    (found,) = verdict_of(results, of="NPO+RT", than="target", factor=0.9, margin=0.01)
    assert found.numbers["than"] == pytest.approx(0.9 * 0.8 + 0.01)
    assert found.verdict == "supported"


def test_a_constant_is_judged_by_its_value(experiment):
    results = results_of(experiment, [])
    claim = {"metric": "forget_quality", "of": "target", "value": 0.05, "scale": "log10"}
    (found,) = verdict_of(results, relation="<", **claim)
    assert (found.verdict, found.seeds) == ("supported", 0)
    assert found.numbers["difference"] == pytest.approx(-12 - math.log10(0.05))
    (found,) = verdict_of(results, of="target", than="retrain", relation="<")
    assert found.numbers["than"] == pytest.approx(0.84)


def test_log_scale_compares_orders_of_magnitude(experiment):
    unlearned = [model("GA", s, forget_quality=v) for s, v in enumerate([1e-3, 1e-5, 1e-4], 1)]
    (found,) = verdict_of(
        results_of(experiment, unlearned),
        metric="forget_quality",
        of="GA",
        relation="<",
        value=0.1,
        scale="log10",
    )
    assert found.numbers["of"] == pytest.approx(1e-4)  # the geometric mean
    assert found.numbers["difference"] == pytest.approx(-3)


def test_absolute_scale_compares_distances_from_0(experiment):
    leaks = {"GA": (-30.0, -40.0, -50.0), "NPO": (20.0, 25.0, -10.0)}
    unlearned = [
        model(name, s, privleak=v) for name, vs in leaks.items() for s, v in enumerate(vs, 1)
    ]
    claim = {"metric": "privleak", "of": "NPO", "than": "GA", "relation": "<", "scale": "absolute"}
    (found,) = verdict_of(results_of(experiment, unlearned), **claim)
    assert found.numbers["difference"] == pytest.approx((-10 - 15 - 40) / 3)
    assert found.numbers["of"] == pytest.approx(55 / 3)


def test_variants_are_judged_one_by_one_and_filters_know_defaults(experiment):
    unlearned = utilities("NPO+RT", [0.7] * 3) + utilities("NPO+RT", [0.8] * 3, (("beta", 1.0),))
    results = results_of(experiment, unlearned)
    assert [v.variant for v in verdict_of(results, of="NPO+RT", value=0.5)] == [
        "NPO+RT",
        "NPO+RT β=1",
    ]
    # the first variant states no β and has the published default of 0.1
    (found,) = verdict_of(results, of=("NPO+RT", (("beta", 0.1),)), value=0.5)
    assert found.variant == "NPO+RT"


def test_relearning_drop_is_before_minus_after_for_each_attack(experiment):
    def attacked(method, seed, attack, epoch, value):
        cell = UnlearnRun("forget10", method, "default", (), seed)
        return Point(cell, attack, epoch, epoch, {"log10_forget_quality": value})

    unlearned = [
        model(method, seed, log10_forget_quality=-1.0)
        for method in ("NPO+RT", "SimNPO+RT")
        for seed in (1, 2, 3)
    ]
    attacks = [
        attacked(method, seed, attack, epoch, -1.0 - drop * epoch + 0.01 * seed * epoch)
        for method, drop in (("NPO+RT", 2.0), ("SimNPO+RT", 1.0))
        for seed in (1, 2, 3)
        for attack in ("random", "shortest")
        for epoch in (0, 1, 2)
    ]
    found = verdict_of(
        results_of(experiment, unlearned, attacks),
        metric="relearning_log10_drop",
        of="SimNPO+RT",
        relation="<",
        than="NPO+RT",
    )
    assert [(v.attack, v.verdict) for v in found] == [
        ("random", "supported"),
        ("shortest", "supported"),
    ]
    assert found[0].numbers["of"] == pytest.approx(2.0 - 0.04)
    assert found[0].numbers["difference"] == pytest.approx(-2.0)


def test_a_comparison_of_a_method_with_itself_holds_all_else_equal(experiment):
    unlearned = [
        run
        for beta in (0.1, 1.0)
        for weight in (0.0, 2.0)
        for run in utilities(
            "NPO+RT", [beta / 2 + weight / 10] * 3, (("beta", beta), ("retain_coeff", weight))
        )
    ]
    found = verdict_of(
        results_of(experiment, unlearned),
        of=("NPO+RT", (("retain_coeff", 2),)),
        than=("NPO+RT", (("retain_coeff", 0),)),
    )
    assert [v.numbers["difference"] for v in found] == pytest.approx([0.2, 0.2])


def test_a_peak_is_the_epoch_of_the_best_mean_over_seeds(experiment):
    """By seed it would be epoch 1 for the first and 2 for the second."""
    courses = {1: (-9, -1.0, -1.5, -8), 2: (-9, -6.0, -1.5, -8), 3: (-9, -6.0, -2.0, -7)}
    points = [
        Point(UnlearnRun("forget10", "GA", "default", (), seed), "", epoch, epoch, metrics)
        for seed, values in courses.items()
        for epoch, value in enumerate(values)
        for metrics in [{"log10_forget_quality": value, "forget_quality": 10.0**value}]
    ]
    unlearned = [model("GA", seed, forget_quality=10.0 ** courses[seed][-1]) for seed in courses]
    results = results_of(experiment, unlearned)
    claim = {"metric": "forget_quality", "scale": "log10", "than": "GA", "factor": 10}
    (found,) = verdict_of(results, of=("GA", (), "peak"), **claim)
    assert found.verdict == "not run"  # nothing was evaluated on the way
    results.splits[0].courses.extend(points)
    (found,) = verdict_of(results, of=("GA", (), "peak"), **claim)
    # 6.5, 6.5 and 5 orders of magnitude, less the one of the factor
    assert found.numbers["difference"] == pytest.approx(5.0)
    assert found.verdict == "supported"


def test_the_tuned_variant_is_the_most_useful_of_those_that_forget(experiment):
    unlearned = [
        model("NPO+RT", seed, (("retain_coeff", weight),), **metrics)
        for weight, quality, utility in ((1.0, -0.5, 0.5), (2.0, -1.0, 0.7), (5.0, -4.0, 0.8))
        for seed in (1, 2, 3)
        for metrics in [{"log10_forget_quality": quality, "model_utility": utility}]
    ]
    (found,) = verdict_of(
        results_of(experiment, unlearned), of=("NPO+RT", (), "last", "tuned"), value=0.55
    )
    assert (found.variant, found.verdict) == ("NPO+RT retain ×2", "supported")


def test_a_claim_about_other_splits_is_not_run(experiment):
    results = results_of(experiment, utilities("GA", [0.1, 0.2, 0.3]))
    there = {"of": "GA", "relation": "<", "value": 0.5}
    (found,) = verdict_of(results, **there, splits=("forget10", "forget50"))
    assert found.verdict == "supported"
    (found,) = verdict_of(results, **there, splits=("forget50",), experiment="large-splits")
    assert (found.verdict, found.split) == ("not run", "forget50")
    assert "mini-large-splits.yaml" in found.reason


def test_attacks_of_equal_shares_are_compared(experiment):
    def attacked(attack, seed, value):
        cell = UnlearnRun("forget10", "NPO+RT", "default", (), seed)
        return Point(cell, attack, 1, 1, {"log10_forget_quality": value})

    ends = {"random/fraction=0.1": -2.0, "random/fraction=0.2": -4.0}
    ends |= {"shortest/fraction=0.1": -3.0, "shortest/fraction=0.2": -6.0}
    attacks = [attacked(name, seed, end) for name, end in ends.items() for seed in (1, 2, 3)]
    unlearned = [model("NPO+RT", seed, log10_forget_quality=-1.0) for seed in (1, 2, 3)]
    found = verdict_of(
        results_of(experiment, unlearned, attacks),
        metric="relearning_log10_drop",
        of=("NPO+RT", (), "last", "", "shortest"),
        than=("NPO+RT", (), "last", "", "random"),
    )
    assert [v.attack for v in found] == ["shortest/fraction=0.1", "shortest/fraction=0.2"]
    assert [v.numbers["difference"] for v in found] == pytest.approx([1.0, 2.0])

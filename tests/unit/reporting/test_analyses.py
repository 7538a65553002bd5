"""Strata, gradient weights and reference models as the report reads and judges them."""

import numpy
import pytest
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.benchmarks.tofu.reporting import reference_view, weights_view
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.benchmarks.tofu.reporting.verdicts import judge_claim
from unlearning.benchmarks.tofu.reporting.weights import early
from unlearning.benchmarks.tofu.strata import strata
from unlearning.evaluation.records import read_rows
from unlearning.files import read_json, write_json
from unlearning.reporting.claims_file import Claim, Selection


def forget_rows(experiment, run):
    return read_rows(experiment.layout.evaluation("forget10", run))["forget"]


def test_forget_quality_of_a_stratum_is_that_of_its_rows(experiment, results):
    chosen = strata(forget_rows(experiment, experiment.target_run))["short"]
    model = results.splits[0].variants()["NPO"][0]
    ours = log_truth_ratio(forget_rows(experiment, model.run))[chosen]
    tests = [
        compare(ours, log_truth_ratio(forget_rows(experiment, run))[chosen])
        for run in experiment.retrain_runs()
    ]
    assert model.metrics["forget_quality@short"] == pytest.approx(
        sum(test.p_value for test in tests) / 2
    )
    assert "forget_quality@short" not in results.splits[0].retrained[0].metrics
    assert "forget_quality@long" in results.splits[0].retrained[1].metrics  # the floor
    assert results.splits[0].strata["short"] == len(chosen) == 20


def test_weights_follow_the_run(experiment, results):
    course = next(c for c in results.splits[0].weights if c[0].label == "NPO+RT β=0.1")
    assert [weights.epoch for weights in course] == [0, 1, 2, 3, 5, 7, 10]
    assert (course[0].values == 1).all()
    start = forget_rows(experiment, experiment.target_run)
    point = read_json(experiment.layout.trajectory("forget10", course[0].cell.run))["points"][0]
    nll = [numpy.multiply(r["answer_loss"], start["answer_tokens"]) for r in (start, point)]
    ratio = numpy.exp(0.1 * (nll[0] - nll[1]))  # (p / p_ref)^β
    numpy.testing.assert_allclose(course[1].values, 2 * ratio / (1 + ratio))
    model = results.splits[0].variants()["NPO+RT β=0.1"][0]
    assert model.metrics["early_weight"] == pytest.approx(course[1].values.mean())
    assert early([course[0], course[2], course[-1]]) == {}  # two epochs on is no longer early


def test_losses_without_such_weights_have_none(results):
    labels = weights_view.by_variant(results.splits[0])
    assert list(labels) == [
        "NPO",
        "NPO+RT β=0.1",
        "NPO+RT β=1",
        "NPO+KL",
        "SimNPO+RT β=2.5 forget ×1",
    ]


def test_a_claim_compares_two_metrics_of_the_same_run(results):
    claim = Claim(
        id="x",
        statement="",
        source="",
        metric="forget_quality@short",
        of=Selection("NPO+RT"),
        relation="<",
        than_metric="forget_quality@long",
        scale="log10",
    )
    variants = results.splits[0].variants()
    found = judge_claim(claim, results)
    assert [verdict.variant for verdict in found] == ["NPO+RT β=0.1", "NPO+RT β=1"]
    for verdict in found:
        differences = [
            m.metrics["log10_forget_quality@short"] - m.metrics["log10_forget_quality@long"]
            for m in variants[verdict.variant]
        ]
        # log10 of a mean over retrained models is not the mean of log10
        assert numpy.sign(verdict.numbers["difference"]) == numpy.sign(numpy.mean(differences))


def test_another_reference_has_its_own_weights(replaced):
    course = read_results(replaced).splits[0].weights[-1]
    assert course[0].label == "NPO+RT β=0.1 ref. retrain"
    expected = 2 / (1 + numpy.exp(0.1))
    numpy.testing.assert_allclose(course[0].values, expected)


def test_a_reference_of_other_rows_gives_no_weights(replaced):
    path = replaced.layout.reference("forget10", "retrain")
    write_json(path, {"nll": [1.0, 2.0], "tokens": [3, 4]})
    labels = {course[0].label for course in read_results(replaced).splits[0].weights}
    assert labels == {"NPO+RT β=0.1"}


def test_references_stand_side_by_side(replaced, sections_report):
    results = read_results(replaced)
    lines = reference_view.lines(results.splits[0])
    assert [(line.method, line.reference) for line in lines] == [
        ("NPO+RT β=0.1", "target"),
        ("NPO+RT β=0.1", "retrain"),
    ]
    claim = Claim(
        id="x",
        statement="",
        source="",
        metric="model_utility",
        of=Selection("NPO+RT"),
        relation=">",
        value=0.0,
    )
    # a method is meant with its published reference unless the claim names another
    assert [v.variant for v in judge_claim(claim, results)] == ["NPO+RT β=0.1"]
    for section in ("reference", "strata"):
        assert f'<section id="{section}">' in sections_report.page


def test_without_other_references_the_section_is_not_there(report_folder):
    page = (report_folder / "index.html").read_text("utf-8")
    assert '<section id="weights">' in page and '<section id="reference">' not in page

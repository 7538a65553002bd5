"""How far the forget set's log-probability falls, and when a run can tell."""

import json

import numpy
import pytest
from unlearning.benchmarks.tofu.results import TofuComparison, divergence, shows_divergence
from unlearning.config.layout import UnlearnRun
from unlearning.evaluation.records import read_rows
from unlearning.files import read_json
from unlearning.reporting.frame import finals
from unlearning.reporting.results import Evaluation

CONSTANT = {"schedule": "constant", "warmup_epochs": 0, "trajectory": [1, 3, 7]}


def record_of(losses: list[list[float]], collapsed=None) -> dict:
    points = [{"epoch": n, "step": 3 * n, "answer_loss": own} for n, own in enumerate(losses, 1)]
    plan = {"steps": 3 * len(losses) + 3, "epochs": len(losses) + 1, "batch_size": 1, "rows": 3}
    return {"plan": plan, "points": points, "collapsed": collapsed, "losses": []}


def metrics_of(experiment, start: dict, record: dict, end: dict, method="GA", hyper=()) -> dict:
    """What the trajectory of an unlearned model tells."""
    details: dict = {}
    target = Evaluation("target", {"forget": start}, {})
    compare = TofuComparison(experiment, "forget10", target, {}, details)
    cell = UnlearnRun("forget10", method, "default", hyper, 1)
    return compare.unlearned(cell, record, Evaluation(cell.run, {"forget": end}, {}))


def test_log_probability_is_summed_over_tokens_and_falls_from_the_target(experiment):
    start = {"answer_loss": [0.0, 0.5], "answer_tokens": [2, 4]}  # log p: 0 and -2
    record, end = record_of([[1.0, 1.0], [2.0, 2.0]]), {"answer_loss": [3.0, 3.0]}
    curves = divergence(start, record, end)
    assert curves["step"] == [0, 3, 6, 9]
    assert curves["log_probability"] == [-1.0, -3.0, -6.0, -9.0]
    assert curves["drift"] == [0.0, 2.0, 5.0, 8.0]
    # too short to tell a line from a logarithm
    assert metrics_of(experiment, start, record, end) == {"divergence_drift": 8.0}


@pytest.mark.parametrize(
    ("fall", "sign"),
    [(lambda t: 0.1 * t, -1), (lambda t: 2 * numpy.log1p(0.5 * t), 1)],
    ids=["line", "logarithm"],
)
def test_the_closer_fit_is_named(experiment, fall, sign):
    start = {"answer_loss": [0.25], "answer_tokens": [4]}
    *course, end = [[0.25 + fall(3 * n) / 4] for n in range(1, 12)]
    found = metrics_of(experiment, start, record_of(course), {"answer_loss": end})
    assert found["divergence_log_gain"] * sign > 3
    assert found["divergence_drift"] == pytest.approx(fall(33))


def test_a_curve_that_ends_above_its_start_has_no_fit(experiment):
    start = {"answer_loss": [1.0], "answer_tokens": [4]}
    *course, end = [[1.0 + 0.1 * n] for n in range(1, 7)]
    course[2] = [0.9]
    found = metrics_of(experiment, start, record_of(course), {"answer_loss": end})
    assert found == {"divergence_drift": pytest.approx(2.4)}


def test_evaluations_after_half_way_alone_have_fits_but_no_late_exponent(experiment):
    """The start is no point on axes of logarithms."""
    start = {"answer_loss": [0.25], "answer_tokens": [4]}
    record = record_of([[0.25 + 0.3 * n / 4] for n in range(1, 8)])
    record["points"] = record["points"][4:]  # epochs 5, 6 and 7 of 8
    found = metrics_of(experiment, start, record, {"answer_loss": [0.25 + 0.3 * 8 / 4]})
    assert found["divergence_drift"] == pytest.approx(2.4)
    assert found["divergence_linear_r2"] == pytest.approx(1)
    assert "divergence_late_exponent" not in found


def test_a_variant_that_decays_its_rate_cannot_tell_in_a_config_of_constant_ones(experiment):
    assert experiment.config["unlearn"]["schedule"] == "constant"
    start = {"answer_loss": [0.25], "answer_tokens": [4]}
    *course, end = [[0.25 + 0.3 * n / 4] for n in range(1, 8)]
    decays = (("schedule", "linear"),)
    assert (
        metrics_of(experiment, start, record_of(course), {"answer_loss": end}, hyper=decays) == {}
    )


def test_runs_with_a_retain_term_or_a_decaying_rate_cannot_tell(experiment):
    plain, retained = experiment.method("NPO", {}), experiment.method("NPO+RT", {})
    assert shows_divergence(plain, CONSTANT)
    assert not shows_divergence(retained, CONSTANT)
    assert not shows_divergence(experiment.method("IDK+RT", {}), CONSTANT)  # one loss of both
    assert not shows_divergence(plain, CONSTANT | {"schedule": "linear"})
    assert not shows_divergence(plain, CONSTANT | {"warmup_epochs": 1})
    assert not shows_divergence(plain, CONSTANT | {"trajectory": [1, 3]})


def test_a_collapse_ends_the_curve_and_no_mean_stands_at_its_odd_step(experiment, results):
    found = {(cell.method, cell.seed): curves for cell, curves in results.details["divergence"]}
    assert {method for method, _ in found} == {"GA", "NPO"}
    whole, ended = found["GA", 1], found["GA", 3]
    run = "unlearn/GA/default/seed=1"
    target, end = (
        read_rows(experiment.layout.evaluation("forget10", name))["forget"]
        for name in (experiment.target_run, run)
    )
    logp = [-numpy.dot(rows["answer_loss"], target["answer_tokens"]) / 40 for rows in (target, end)]
    assert whole["step"] == [0, 5, 15, 35, 50]
    assert whole["drift"][-1] == pytest.approx(logp[0] - logp[1])
    assert ended["step"] == [0, 5, 15, 35, 40]
    models = finals(results.frame)
    drift = models[(models["run"] == run) & (models["metric"] == "divergence_drift")]
    assert drift["value"].item() == pytest.approx(whole["drift"][-1])


def test_the_section_draws_means_without_the_odd_step(contents, report_folder):
    together, *each = contents["divergence"].figures["divergence"].panels
    marks = together.spec["data"]["values"]
    steps = [mark["step"] for mark in marks if mark["label"] == "GA"]
    assert steps == [0, 5, 15, 35, 50]
    assert [panel.title for panel in each] == ["forget10: GA", "forget10: NPO"]
    fits = each[0].chart.layer[1:]
    assert {layer.data.values[0]["fit"] for layer in fits} == {"linear fit", "log fit"}
    lines = (report_folder / "tables" / "divergence.csv").read_text("utf-8").splitlines()
    assert lines[0] == "split,method,variant,label,draw,seed,step,log_probability,drift"
    assert len(lines) == 1 + 2 * 3 * 5
    (table,) = contents["divergence"].tables["divergence"]
    ga = next(row for row in table.rows if row.label == "GA")
    assert ga.badge[0] == "collapsed in 3 of 3"


def test_the_claim_on_divergence_is_judged(report_folder):
    verdicts = {v["id"]: v for v in read_json(report_folder / "claims.json")}
    (part,) = verdicts["lm-npo-diverges-slower"]["parts"]
    assert part["numbers"]["of"] > 0 and part["split"] == "forget10"
    assert json.dumps(verdicts, allow_nan=False)

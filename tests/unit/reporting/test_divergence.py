"""How far the forget set's log-probability falls, and when a run can tell."""

import numpy
import pytest
from unlearning.benchmarks.tofu.reporting import divergence_view
from unlearning.benchmarks.tofu.reporting.divergence import divergence_of
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.config.layout import UnlearnRun
from unlearning.evaluation.records import read_rows
from unlearning.files import read_json
from unlearning.reporting.bands import fits, marks

CELL = UnlearnRun("forget10", "GA", "default", (), 1)
CONSTANT = {"schedule": "constant", "warmup_epochs": 0}


@pytest.fixture
def diverging(tmp_path, config_of, world_of):
    """GA, NPO and NPO+RT at a constant learning rate; GA's last seed collapses at step 40."""
    config = config_of(tmp_path, methods={"GA": {}, "NPO": {}, "NPO+RT": {}})
    config["unlearn"] |= CONSTANT
    config["relearn"]["methods"] = []
    return world_of(config)


def record_of(losses: list[list[float]], collapsed=None) -> dict:
    points = [{"epoch": n, "step": 3 * n, "answer_loss": own} for n, own in enumerate(losses, 1)]
    plan = {"steps": 3 * len(losses) + 3, "epochs": len(losses) + 1, "batch_size": 1, "rows": 3}
    return {"plan": plan, "points": points, "collapsed": collapsed}


def test_log_probability_is_summed_over_tokens_and_falls_from_the_target():
    start = {"answer_loss": [0.0, 0.5], "answer_tokens": [2, 4]}  # log p: 0 and -2
    record = record_of([[1.0, 1.0], [2.0, 2.0]])
    run = divergence_of(CELL, record, start, {"answer_loss": [3.0, 3.0]})
    assert run.curves["step"] == [0, 3, 6, 9]
    assert run.curves["log_probability"] == [-1.0, -3.0, -6.0, -9.0]
    assert run.curves["drift"] == [0.0, 2.0, 5.0, 8.0]
    assert run.metrics() == {"divergence_drift": 8.0}  # too short to tell a line from a logarithm


@pytest.mark.parametrize(
    "fall, sign",
    [(lambda t: 0.1 * t, -1), (lambda t: 2 * numpy.log1p(0.5 * t), 1)],
    ids=["line", "logarithm"],
)
def test_the_closer_fit_is_told(fall, sign):
    start = {"answer_loss": [0.25], "answer_tokens": [4]}
    course = [[0.25 + fall(3 * n) / 4] for n in range(1, 12)]
    run = divergence_of(CELL, record_of(course[:-1]), start, {"answer_loss": course[-1]})
    assert run.metrics()["divergence_log_gain"] * sign > 3
    assert run.metrics()["divergence_drift"] == pytest.approx(fall(33))


def test_a_collapse_ends_the_curve_and_no_mean_stands_at_its_odd_step(diverging):
    split = read_results(diverging).splits[0]
    whole, *_, ended = divergence_view.variants(split)["GA"]
    target, end = (
        read_rows(diverging.layout.evaluation("forget10", run))["forget"]
        for run in (diverging.target_run, whole.cell.run)
    )
    logp = [-numpy.dot(rows["answer_loss"], target["answer_tokens"]) / 40 for rows in (target, end)]
    assert whole.curves["step"] == [0, 5, 10, 15, 25, 35, 50] and not whole.collapsed
    assert whole.curves["drift"][-1] == pytest.approx(logp[0] - logp[1])
    assert ended.curves["step"] == [0, 5, 10, 15, 25, 35, 40] and ended.collapsed
    drawn = marks([ended, whole], ["log_probability"], floor=float("-inf"))
    assert [mark["step"] for mark in drawn] == [0, 5, 10, 15, 25, 35, 50]
    assert {fit["fit"] for fit in fits([whole, ended])} == {"linear fit", "log fit"}


def test_runs_with_a_retain_term_or_a_decaying_rate_cannot_tell(
    diverging, results, sections_report
):
    split = read_results(diverging).splits[0]
    assert list(divergence_view.variants(split)) == ["GA", "NPO"]
    assert results.splits[0].divergence == []  # the mini experiment's rate decays
    page, folder = sections_report.page, sections_report.folder
    assert '<section id="divergence">' in page and "diverged in 1 of 3" in page
    lines = (folder / "tables" / "divergence.csv").read_text("utf-8").splitlines()
    assert lines[0] == "split,method,variant,label,seed,step,log_probability,drift"
    assert len(lines) == 1 + 2 * 3 * 7
    verdicts = {v["id"]: v for v in read_json(folder / "claims.json")}
    assert verdicts["lm-npo-diverges-slower"]["numbers"]["of"] > 0

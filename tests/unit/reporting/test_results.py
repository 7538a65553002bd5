"""What is read of an experiment: forget quality, noise floor, trajectories, missing files."""

import json
import shutil

import pytest
from unlearning.benchmarks.tofu.forget_quality import forget_quality
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.benchmarks.tofu.reporting.trajectories import end_of
from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.evaluation.membership import against_retrained, membership_metrics, privleak
from unlearning.evaluation.records import read_metrics, read_rows


def forget_rows(experiment, run):
    return read_rows(experiment.layout.evaluation("forget10", run))["forget"]


def test_forget_quality_is_the_mean_over_retrained_models(experiment, results):
    target = forget_rows(experiment, experiment.target_run)
    runs = experiment.retrain_runs()
    tests = [forget_quality(target, forget_rows(experiment, run)) for run in runs]
    found = results.splits[0].target.metrics
    assert len(tests) == 2
    assert found["forget_quality"] == pytest.approx((tests[0].p_value + tests[1].p_value) / 2)
    assert found["log10_forget_quality"] == pytest.approx((tests[0].log10_p + tests[1].log10_p) / 2)
    assert found["ks_statistic"] == pytest.approx(
        (tests[0].ks_statistic + tests[1].ks_statistic) / 2
    )


def test_noise_floor_is_the_second_retrained_model_against_the_first(experiment, results):
    first, second = (forget_rows(experiment, run) for run in experiment.retrain_runs())
    split = results.splits[0]
    assert split.noise_floor["forget_quality"] == forget_quality(second, first).p_value
    assert "forget_quality" not in split.retrained[0].metrics


def test_membership_is_compared_with_every_retrained_model(experiment, results):
    sets = [
        read_rows(experiment.layout.evaluation("forget10", run))
        for run in (experiment.target_run, *experiment.retrain_runs())
    ]
    target, *retrained = sets
    found = results.splits[0].target.metrics
    aucs = [membership_metrics(rows)["mia_min_k_auc"] for rows in sets]
    assert found["mia_min_k_auc"] == aucs[0]
    assert found["privleak"] == pytest.approx(
        (privleak(aucs[0], aucs[1]) + privleak(aucs[0], aucs[2])) / 2
    )
    references = [against_retrained(target, r, ["reference"]) for r in retrained]
    assert found["mia_reference_auc"] == pytest.approx(
        sum(r["mia_reference_auc"] for r in references) / 2
    )
    assert "privleak" not in results.splits[0].retrained[0].metrics


def test_the_variant_is_chosen_without_evaluating_again(experiment, results):
    config = json.loads(json.dumps(experiment.config))
    config["evaluation"]["variant"] = "paper"
    paper = read_results(Experiment(config)).splits[0]
    ours, theirs = results.splits[0].unlearned[-1], paper.unlearned[-1]
    rows = read_rows(experiment.layout.evaluation("forget10", ours.run))
    assert theirs.metrics["model_utility"] == summarise(rows, "paper")["model_utility"]
    assert theirs.metrics["model_utility"] != ours.metrics["model_utility"]
    assert theirs.metrics["retain_rouge"] == ours.metrics["retain_rouge"]
    retrained = [forget_rows(experiment, run) for run in experiment.retrain_runs()]
    tests = [forget_quality(rows["forget"], r, variant="paper").log10_p for r in retrained]
    assert theirs.metrics["log10_forget_quality"] == pytest.approx(sum(tests) / 2)
    course = [p for p in paper.courses if p.epoch == 1]
    assert "forget_quality" in course[0].metrics


def test_every_cell_is_there_with_its_own_metrics(experiment, results):
    models = results.splits[0].unlearned
    assert [model.run for model in models] == [cell.run for cell in experiment.cells()]
    stored = read_metrics(experiment.layout.evaluation("forget10", models[4].run))
    assert models[4].metrics["model_utility"] == stored["model_utility"]


def test_courses_run_from_the_target_to_the_end(experiment, results):
    split = results.splits[0]
    course = [p for p in split.courses if p.label == "NPO+RT β=1" and p.cell.seed == 2]
    assert [point.epoch for point in course] == [0, 1, 2, 3, 5, 7, 10]
    assert course[0].metrics == split.target.metrics
    assert course[-1].metrics == split.variants()["NPO+RT β=1"][1].metrics


def test_a_collapsed_run_ends_where_it_collapsed(results):
    split = results.splits[0]
    course = [p for p in split.courses if p.label == "GA" and p.cell.seed == 3]
    assert [point.epoch for point in course] == [0, 1, 2, 3, 5, 7, 8]  # step 40 of 8 over 40 rows
    assert [model.diverged is not None for model in split.variants()["GA"]] == [False, False, True]


def test_end_of_a_run():
    plan = {"steps": 60, "epochs": 10, "batch_size": 16, "rows": 96}
    assert end_of({"plan": plan, "collapsed": None}) == (60, 10)
    assert end_of({"plan": plan, "collapsed": {"step": 30}}) == (30, 5)


def test_attacks_start_at_the_unlearned_model(results):
    points = [p for p in results.splits[0].attacks if p.cell.seed == 1 and p.attack == "random"]
    first = [p for p in points if p.label.startswith("SimNPO")]
    assert [point.epoch for point in first] == [0, 1, 2, 3]
    assert "model_utility" not in first[0].metrics


@pytest.fixture
def world(tmp_path, config_of, world_of):
    return world_of(config_of(tmp_path, methods={"GA": {}, "NPO+RT": {}}))


def test_missing_cells_are_listed_and_the_rest_is_read(world):
    cell = world.cells()[0]
    shutil.rmtree(world.layout.run("forget10", cell.run))
    found = read_results(world)
    assert [path.name for path in found.missing] == ["trajectory.json", "summary.json"]
    assert len(found.splits[0].unlearned) == len(world.cells()) - 1


def test_without_a_retrained_model_the_error_says_what_to_do(world):
    folder = world.layout.evaluation("forget10", world.retrain_runs()[0])
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=f"no evaluation in {folder}"):
        read_results(world)

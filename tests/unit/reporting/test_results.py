"""What is read of an experiment: forget quality, noise floor, trajectories, missing files."""

import json
import shutil

import pytest
from report_world import complete_config, write_accuracies, write_summary, write_world
from unlearning.benchmarks.tofu.forget_quality import compare, forget_quality
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.benchmarks.tofu.results import read
from unlearning.benchmarks.tofu.strata import strata
from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.evaluation.membership import against_retrained, membership_metrics, privleak
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.files import read_json
from unlearning.reporting.claims.file import metrics_of as metrics_of_claims
from unlearning.reporting.frame import COLUMNS, COURSE, RELEARN, finals
from unlearning.reporting.results import end_of


def evaluation(experiment, run):
    return read_rows(experiment.layout.evaluation("forget10", run))


def forget_rows(experiment, run):
    return evaluation(experiment, run)["forget"]


def metrics_of(results, run) -> dict[str, float]:
    rows = finals(results.frame)
    rows = rows[rows["run"] == run]
    return dict(zip(rows["metric"], rows["value"], strict=True))


def run_of(results, label, seed=1) -> str:
    models = results.models
    return models.loc[(models["label"] == label) & (models["seed"] == seed), "run"].item()


def test_forget_quality_is_geometric_over_retrained_models(experiment, results):
    target = forget_rows(experiment, experiment.target_run)
    runs = experiment.retrain_runs()
    tests = [forget_quality(target, forget_rows(experiment, run)) for run in runs]
    found = metrics_of(results, experiment.target_run)
    assert len(tests) == 2
    product = tests[0]["forget_quality"] * tests[1]["forget_quality"]
    assert found["forget_quality"] == pytest.approx(product**0.5, rel=1e-9, abs=0)
    assert found["log10_forget_quality"] == pytest.approx(
        (tests[0]["log10_forget_quality"] + tests[1]["log10_forget_quality"]) / 2
    )
    statistics = [test["ks_statistic"] for test in tests]
    assert found["ks_statistic"] == pytest.approx(sum(statistics) / 2)


def test_noise_floor_is_the_second_retrained_model_against_the_first(experiment, results):
    first, second = experiment.retrain_runs()
    floor = forget_quality(forget_rows(experiment, second), forget_rows(experiment, first))
    assert metrics_of(results, second)["forget_quality"] == pytest.approx(
        floor["forget_quality"], rel=1e-9, abs=0
    )
    assert "forget_quality" not in metrics_of(results, first)


def test_membership_is_compared_with_every_retrained_model(experiment, results):
    runs = (experiment.target_run, *experiment.retrain_runs())
    sets = [evaluation(experiment, run) for run in runs]
    target, *retrained = sets
    found = metrics_of(results, experiment.target_run)
    aucs = [membership_metrics(rows)["mia_min_k_auc"] for rows in sets]
    assert found["mia_min_k_auc"] == aucs[0]
    leaks = [privleak(aucs[0], auc) for auc in aucs[1:]]
    assert found["privleak"] == pytest.approx(sum(leaks) / 2)
    references = [against_retrained(target, r, ["reference"]) for r in retrained]
    assert found["mia_reference_auc"] == pytest.approx(
        sum(r["mia_reference_auc"] for r in references) / 2
    )
    assert "privleak" not in metrics_of(results, runs[1])


def test_forget_quality_of_a_stratum_is_that_of_its_rows(experiment, results):
    chosen = strata(forget_rows(experiment, experiment.target_run))["short"]
    run = run_of(results, "NPO")
    ours = log_truth_ratio(forget_rows(experiment, run))[chosen]
    first, second = experiment.retrain_runs()
    tests = [
        compare(ours, log_truth_ratio(forget_rows(experiment, retrained))[chosen])
        for retrained in (first, second)
    ]
    found = metrics_of(results, run)
    assert found["forget_quality@short"] == pytest.approx(
        (tests[0]["forget_quality"] * tests[1]["forget_quality"]) ** 0.5, rel=1e-9, abs=0
    )
    assert "forget_quality@short" not in metrics_of(results, first)
    assert "forget_quality@long" in metrics_of(results, second)  # the floor
    assert results.details["strata"]["forget10"]["short"] == len(chosen) == 20


def test_the_variant_is_chosen_without_evaluating_again(experiment, results):
    config = json.loads(json.dumps(experiment.config))
    config["evaluation"]["variant"] = "paper"
    config["methods"] = {"NPO": {}}
    paper = read(Experiment(config))
    run = run_of(paper, "NPO", 3)
    ours, theirs = metrics_of(results, run), metrics_of(paper, run)
    rows = evaluation(experiment, run)
    assert theirs["model_utility"] == summarise(rows, "paper")["model_utility"]
    assert theirs["model_utility"] != ours["model_utility"]
    assert theirs["retain_rouge"] == ours["retain_rouge"]
    retrained = [forget_rows(experiment, other) for other in experiment.retrain_runs()]
    tests = [forget_quality(rows["forget"], other, variant="paper") for other in retrained]
    mean = sum(test["log10_forget_quality"] for test in tests) / 2
    assert theirs["log10_forget_quality"] == pytest.approx(mean)
    course = paper.frame[(paper.frame["phase"] == COURSE) & (paper.frame["epoch"] == 1)]
    assert "forget_quality" in set(course["metric"])


def test_every_cell_is_there_with_its_own_metrics(experiment, results):
    models = results.models
    unlearned = models[~models["method"].isin(["target", "retrain"])]
    assert unlearned["run"].tolist() == [cell.run for cell in experiment.cells()]
    run = experiment.cells()[4].run
    stored = read_metrics(experiment.layout.evaluation("forget10", run))
    assert metrics_of(results, run)["model_utility"] == stored["model_utility"]


def test_rows_hold_every_column_and_one_value_each(results):
    frame = results.frame
    assert [*frame.columns] == [*COLUMNS]
    key = [name for name in COLUMNS if name not in ("value", "collapsed")]
    assert not frame.duplicated(key).any()
    assert not frame["value"].isna().any()
    assert set(frame["metric"]) <= {*results.metrics, *metrics_of_claims(None)}


def course_of(results, label, seed, metric="model_utility"):
    frame = results.frame
    rows = frame[(frame["phase"] == COURSE) & (frame["metric"] == metric)]
    return rows[(rows["label"] == label) & (rows["seed"] == seed)]


def test_courses_run_from_the_target_to_the_end(experiment, results):
    course = course_of(results, "NPO+RT β=1", 2)
    assert course["epoch"].tolist() == [0, 1, 3, 7, 10]
    assert course["step"].tolist() == [0, 5, 15, 35, 50]
    target = metrics_of(results, experiment.target_run)
    end = metrics_of(results, run_of(results, "NPO+RT β=1", 2))
    assert course["value"].iloc[0] == target["model_utility"]
    assert course["value"].iloc[-1] == end["model_utility"]


def test_a_collapsed_run_ends_where_it_collapsed(results):
    course = course_of(results, "GA", 3)
    assert course["epoch"].tolist() == [0, 1, 3, 7, 8]  # step 40 of 8 over 40 rows
    models = results.models
    ends = models.loc[models["label"] == "GA", ["seed", "epoch", "collapsed"]]
    # the first two ended without any utility
    assert ends.to_numpy().tolist() == [[1, 10, True], [2, 10, True], [3, 8, True]]
    assert not models.loc[models["label"] == "NPO", "collapsed"].any()


def test_end_of_a_run():
    plan = {"steps": 60, "epochs": 10, "batch_size": 16, "rows": 96}
    assert end_of({"plan": plan, "collapsed": None}) == (60, 10)
    assert end_of({"plan": plan, "collapsed": {"step": 30}}) == (30, 5)


def test_attacks_start_at_the_unlearned_model(results):
    frame = results.frame
    attacked = frame[(frame["phase"] == RELEARN) & (frame["seed"] == 1)]
    rows = attacked[(attacked["attack"] == "random") & (attacked["label"] == "NPO")]
    quality = rows[rows["metric"] == "log10_forget_quality"]
    assert quality["epoch"].tolist() == [0, 1, 2, 3]
    assert "model_utility" not in set(rows["metric"])
    drop = frame[(frame["metric"] == "relearning_log10_drop") & (frame["seed"] == 1)]
    before = metrics_of(results, run_of(results, "NPO"))["log10_forget_quality"]
    (found,) = drop.loc[drop["attack"] == "random", "value"]
    assert found == pytest.approx(before - quality["value"].iloc[-1])


def test_accuracies_are_metrics_of_every_model(experiment, results):
    assert results.tasks == ["accuracy: wmdp_bio", "accuracy: own"]
    assert results.documents == {"wmdp_bio": 1273, "own": 1273} and results.versions == ["0.4.13"]
    found = metrics_of(results, run_of(results, "NPO", 2))
    assert found["accuracy: wmdp_bio"] == pytest.approx(0.4) and found["accuracy: own"] == 0.5
    assert results.metrics["accuracy: wmdp_bio"].better == "lower"


@pytest.fixture
def world(tmp_path):
    """NPO of one seed, with harness tasks; to be changed by a test."""
    tasks = {"tasks": ["wmdp_bio", "own"], "include_path": str(tmp_path)}
    config = complete_config(tmp_path / "results", methods={"NPO": {}}, harness=tasks)
    config["unlearn"] |= {"seeds": [1, 2], "trajectory": []}
    config["relearn"]["methods"] = []
    experiment = write_world(config)
    write_accuracies(experiment)
    return experiment


def test_missing_cells_are_listed_and_the_rest_is_read(world):
    cell = world.cells()[0]
    shutil.rmtree(world.layout.run("forget10", cell.run))
    found = read(world)
    names = [path.name for path in found.missing]
    assert names == ["trajectory.json", "rows.json", "summary.json"]
    models = found.models
    assert models.loc[models["label"] == "NPO", "seed"].tolist() == [2]


def test_a_missing_accuracy_is_listed_and_the_rest_is_read(world):
    path = world.layout.harness("forget10", world.cells()[0].run)
    path.unlink()
    found = read(world)
    assert found.missing == [path]
    accuracy = finals(found.frame)
    accuracy = accuracy[(accuracy["label"] == "NPO") & accuracy["metric"].str.endswith("bio")]
    assert accuracy[["seed", "value"]].to_numpy().tolist() == [[2, pytest.approx(0.4)]]


def test_accuracies_on_other_questions_are_not_compared(world):
    write_summary(world, world.cells()[0].run, 0.3, asked="def")
    with pytest.raises(UserError, match="'wmdp_bio' asked other questions.*run again"):
        read(world)


def test_without_a_retrained_model_the_error_says_what_to_do(world):
    folder = world.layout.evaluation("forget10", world.retrain_runs()[0])
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=f"no evaluation in {folder}.*first retrained model"):
        read(world)


def test_points_of_other_forget_rows_are_refused(world):
    cell = world.cells()[0]
    path = world.layout.trajectory("forget10", cell.run)
    record = read_json(path)
    ratio = {"official": [0.1, 0.2]}
    record["points"] = [{"epoch": 1, "step": 5, "log_truth_ratio": ratio}]
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="epoch 1 of .* holds 2 forget rows.*40.*run again"):
        read(world)


def test_models_of_other_questions_are_not_compared(world):
    folder = world.layout.evaluation("forget10", world.cells()[0].run)
    rows = read_json(folder / "rows.json")
    rows["forget"]["question"][3] = "What else?"
    (folder / "rows.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match="question"):
        read(world)

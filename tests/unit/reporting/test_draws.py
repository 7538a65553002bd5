"""Several draws in one report: models of a draw are compared with those of that draw alone, and
runs of equal seeds in two draws are two runs."""

from dataclasses import replace

import pandas
import pytest
from report_world import complete_config, make_report, quick, write_summary, write_world
from unlearning.benchmarks.tofu.columns import note
from unlearning.benchmarks.tofu.results import read
from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.reporting.claims.file import Selection
from unlearning.reporting.claims.series import series
from unlearning.reporting.frame import FINAL
from unlearning.reporting.sections import answers

METHODS = {"GA": {}, "NPO+RT": {"beta": 0.1}, "SimNPO+RT": {"beta": 2.5}}
RUNS = {(draw, seed) for draw in (1, 2, 3) for seed in (1, 2, 3)}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("draws")
    return write_world(complete_config(folder / "results", methods=METHODS, draws=3))


@pytest.fixture(scope="module")
def results(experiment):
    return read(experiment)


@pytest.fixture(scope="module")
def folder(experiment, tmp_path_factory):
    with quick():
        return make_report(experiment.config, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("draw", [1, 2, 3])
def test_a_draw_has_the_numbers_that_it_has_by_itself(experiment, results, draw):
    alone = read(Experiment({**experiment.config, "draws": [draw]})).frame
    here = results.frame[results.frame["draw"] == draw].reset_index(drop=True)
    pandas.testing.assert_frame_equal(here, alone, check_exact=True)
    assert len(alone) > 1000


def test_draws_have_other_numbers(results):
    rows = results.frame[results.frame["metric"] == "forget_probability"]
    first, second, third = (set(values) for _, values in rows.groupby("draw")["value"])
    assert not first & second and not first & third and not second & third


def test_the_note_says_what_gives_a_noise_floor_in_several_draws_too(results):
    """One retrained model in each of three draws is one seed of the config."""
    several = {**results.experiment.config, "retrain": {"seeds": [1]}}
    alone = replace(results, experiment=Experiment(several))
    assert "a second seed in retrain.seeds gives it" in note(alone)
    assert "a second seed" not in note(results)


def test_a_claim_has_a_value_for_each_run(results):
    of_npo = Selection("NPO+RT", (("beta", 0.1),))
    (side,) = series(of_npo, "model_utility", results, "forget10")
    final = results.frame[(results.frame["phase"] == FINAL) & (results.frame["attack"] == "")]
    rows = final[(final["method"] == "NPO+RT") & (final["metric"] == "model_utility")]
    assert len(rows) == 9
    for row in rows.itertuples():
        assert side.values[row.draw][row.seed] == row.value
    (at_peak,) = series(Selection("NPO+RT", at="peak"), "model_utility", results, "forget10")
    for values in (side.values, at_peak.values):
        assert {(draw, seed) for draw in values for seed in values[draw]} == RUNS


def test_relearning_is_taken_from_the_run_that_was_attacked(results):
    frame = results.frame
    drops = frame[frame["metric"] == "relearning_log10_drop"]
    assert len(drops) == 2 * 2 * 3 * 3  # methods, attacks, draws, seeds
    quality = frame[frame["metric"] == "log10_forget_quality"]
    row = drops[(drops["draw"] == 2) & (drops["seed"] == 3)].iloc[0]
    same = quality[(quality["run"] == row["run"]) & (quality["draw"] == 2)]
    before = same.loc[(same["phase"] == FINAL) & (same["attack"] == ""), "value"].item()
    after = same.loc[same["attack"] == row["attack"], "value"].iloc[-1]
    assert row["value"] == before - after


@pytest.mark.parametrize(
    "table, runs", [("cells", 3 * (1 + 2 + 3 * 3)), ("peaks", 3 * 3 * 3), ("weights", None)]
)
def test_tables_of_runs_name_the_draw(folder, table, runs):
    rows = pandas.read_csv(folder / "tables" / f"{table}.csv")
    assert set(rows["draw"]) == {1, 2, 3}
    assert not rows.duplicated([c for c in rows if c in ("label", "draw", "seed", "epoch")]).any()
    assert runs is None or len(rows) == runs


def test_collapsed_runs_are_counted_in_all_draws(folder):
    main = pandas.read_csv(folder / "tables" / "main.csv")
    utility = main[main["metric"] == "model_utility"].set_index("method")
    assert utility.loc["GA", "collapsed"] == 9  # by utility or by loss
    assert utility.loc["NPO+RT", "collapsed"] == 0


def test_answers_are_those_of_the_first_draw(results, report_on):
    """Questions of two draws differ, so their answers cannot stand side by side."""
    (split,) = answers.content(report_on(results)).data["splits"].values()
    labels = [model["label"] for model in split["seeds"]["1"]]
    assert labels == ["Retrained", "Target", "GA", "NPO+RT β=0.1", "SimNPO+RT β=2.5"]


def test_a_draw_without_its_target_is_named(experiment):
    config = {**experiment.config, "draws": 4}
    with pytest.raises(UserError, match="draw=4"):
        read(Experiment(config))


def test_questions_are_compared_within_a_draw(tmp_path):
    """Each draw of a mini world has questions of its own."""
    harness = {"tasks": ["wmdp_bio"], "include_path": str(tmp_path)}
    config = complete_config(tmp_path / "results", methods={"GA": {}}, draws=2, harness=harness)
    experiment = write_world(config)
    for draw in experiment.draws:
        runs = [draw.target_run, *draw.retrain_runs(), *(cell.run for cell in draw.cells())]
        for run in runs:
            write_summary(draw, run, 0.25 * draw.draw, asked=f"questions of {draw.draw}")
    frame = read(experiment).frame
    accuracy = frame[frame["metric"] == "accuracy: wmdp_bio"]
    assert accuracy.groupby("draw")["value"].unique().map(list).to_dict() == {1: [0.25], 2: [0.5]}
    second = experiment.draws[1]
    write_summary(second, second.target_run, 0.5, asked="others")
    with pytest.raises(UserError, match="asked other questions in .*draw=2"):
        read(experiment)

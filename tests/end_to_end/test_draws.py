"""A second draw of an experiment that has run, through all rules to the report of both."""

from collections import Counter

import pandas
import pytest
from project import Project
from unlearning.files import read_json

REPORT = Counter(report=1)
TWO = {"draws": 2, "resources": {"cells_per_job": 1}}  # as complete() runs it: the report says it
OWN_JOBS = Counter(data=1, answers=2, pretrain=1, finetune=1, retrain=2, reference=1, unlearn=2)
OWN_JOBS += Counter(evaluate=5, relearn=1, report=1)


@pytest.fixture(scope="module")
def both(project, micro_with, complete, tmp_path_factory) -> Project:
    """The project after the micro experiment, and then its second draw."""
    moved = project.moved_to(tmp_path_factory.mktemp("draws") / "project")
    config = micro_with(draws=2)
    assert moved.jobs(config) == OWN_JOBS
    complete(moved, config)
    return moved


@pytest.fixture(scope="module")
def frame(both) -> pandas.DataFrame:
    return pandas.read_parquet(both.world / "report" / "results.parquet")


def test_the_first_draw_is_as_it_was(project, frame):
    alone = pandas.read_parquet(project.world / "report" / "results.parquet")
    first = frame[frame["draw"] == 1].reset_index(drop=True)
    pandas.testing.assert_frame_equal(first, alone, check_exact=True)


def test_the_second_draw_has_the_same_models_and_other_numbers(frame):
    keys = ["method", "variant", "label", "phase", "attack", "epoch", "metric"]
    draws = [frame[frame["draw"] == draw] for draw in (1, 2)]
    metrics = [rows[rows["metric"] == "forget_probability"] for rows in draws]
    first, second = (rows[keys].reset_index(drop=True) for rows in metrics)
    assert len(first) > 5
    pandas.testing.assert_frame_equal(first, second)
    equal = metrics[0]["value"].to_numpy() == metrics[1]["value"].to_numpy()
    assert not equal.any()
    assert set(draws[1].loc[draws[1]["method"] == "retrain", "seed"]) == {1_000_001, 1_000_002}


def test_everything_before_unlearning_is_drawn_anew(both):
    """Tables, the base model, the target; unlearning has the seed of the first draw."""
    second = both.world / "draw=2"
    for file in ("full", "pretrain", "forget10_perturbed"):
        tables = [(root / "data" / f"{file}.json").read_text() for root in (both.world, second)]
        assert tables[0] != tables[1]
    weights = [
        (root / "pretrain" / "model" / "model.safetensors").read_bytes()
        for root in (both.world, second)
    ]
    assert weights[0] != weights[1]
    target = read_json(second / "finetune" / "seed=1000042" / "model" / "run.json")
    assert target["seed"] == 1_000_042
    assert (second / "forget10" / "unlearn" / "NPO+RT" / "beta=0.1" / "seed=1").is_dir()


def test_logs_and_costs_of_a_draw(both):
    """They lie in its folder, and the report's cost counts the jobs of both."""
    second = both.world / "draw=2"
    logs = {path.relative_to(second / "logs") for path in (second / "logs").rglob("*.log")}
    first = {
        path.relative_to(both.world / "logs")
        for path in (both.world / "logs").rglob("*.log")
        if "report" not in path.parts
    }
    assert {path.parts[0] for path in logs} == {path.parts[0] for path in first}
    costs = pandas.read_csv(both.world / "report" / "tables" / "cost.csv").set_index("rule")
    assert costs.loc["unlearn", "jobs"] == 4
    assert costs.loc["pretrain", "jobs"] == 2


def test_a_draw_less_reruns_the_report_alone(both, micro_with):
    assert both.jobs(micro_with(**TWO)) == Counter()
    assert both.jobs(micro_with(draws=1)) == REPORT
    assert both.jobs(micro_with(draws=[2])) == REPORT


def test_what_is_lost_of_a_draw_is_made_again(both, micro_with):
    lost = both.world / "draw=2/forget10/unlearn/NPO+RT/beta=0.1/seed=1/evaluate/rows.json"
    content = lost.read_bytes()
    lost.unlink()
    try:
        assert both.jobs(micro_with(draws=2)) == Counter(evaluate=1, report=1)
        assert both.jobs(micro_with(draws=1)) == REPORT
    finally:
        lost.write_bytes(content)


def test_a_wrong_draw_ends_the_run_before_any_job(both, micro_with):
    config = micro_with(draws=2, target={"path": "org/model"}, pretrain=None)
    config["model"] |= {"path": "org/base", "architecture": None}
    done = both.dry_run(config)
    assert done.returncode != 0
    assert "draws: found 2" in done.stdout and "Traceback" not in done.stdout

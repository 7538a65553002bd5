"""A metric in a file of the user's: refused before any job, measured, recorded, declared."""

import math
from types import SimpleNamespace

import pytest
from unlearning.benchmarks.tofu import metrics as tofu
from unlearning.config.own_metrics import COLUMNS, own_metric_problems
from unlearning.errors import UserError
from unlearning.evaluation.own import declare_own_metrics, own_metrics, recorded_directions
from unlearning.evaluation.records import read_metrics, trajectory_point, write_evaluation
from unlearning.files import read_json, write_json
from unlearning.reporting import frame

SOURCE = """
from helper import SCALE

def mine(rows, power=1):
    return [SCALE * loss**power for loss in rows["forget"]["answer_loss"]], "lower"

def one(rows):
    return 2, ""

def early(rows, extra):
    return 1, "lower"

def none():
    return 1, "lower"

def number(rows):
    return 1.0

def direction(rows):
    return 1.0, "up"

def words(rows):
    return "many", "lower"

def empty(rows):
    return [], "lower"

def infinite(rows):
    return float("inf"), "lower"

def missing(rows):
    return rows["nothing"], "lower"
"""
FORGET = {"question": ["a", "b"], "answer_loss": [0.5, 1.5], "perturbed_loss": [[1.0], [2.0]]}


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "helper.py").write_text("SCALE = 10\n")
    return tmp_path / "mine.py"


def test_a_number_or_the_mean_of_numbers(file):
    functions = {"mine": f"{file}:mine", "one": f"{file}:one"}
    assert own_metrics(functions, {"forget": FORGET}) == {"mine": (10.0, "lower"), "one": (2, "")}


def test_a_function_that_changes_rows_changes_its_own_alone(file):
    file.write_text(
        "def first(rows):\n    rows['forget']['answer_loss'].sort(reverse=True)\n"
        "    return rows.pop('forget')['answer_loss'][0], 'lower'\n"
    )
    rows = {"forget": {"answer_loss": [0.5, 1.5]}}
    functions = {"a": f"{file}:first", "b": f"{file}:first"}
    assert own_metrics(functions, rows) == {"a": (1.5, "lower"), "b": (1.5, "lower")}
    assert rows == {"forget": {"answer_loss": [0.5, 1.5]}}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("number", ["must return (values, better)", "found 1.0"]),
        ("direction", ["'higher', 'lower', 'zero', ''", "found 'up'"]),
        ("words", ["must return (values, better)", "found values 'many'"]),
        ("empty", ["finite numbers, at least one", "found []"]),
        ("infinite", ["finite numbers", "found inf"]),
        ("missing", ['rows["nothing"]', "KeyError"]),
    ],
)
def test_what_a_function_does_wrong_is_named(file, name, parts):
    with pytest.raises(UserError) as caught:
        own_metrics({"mine": f"{file}:{name}"}, {"forget": FORGET})
    message = str(caught.value)
    assert [part for part in [f"{file}:{name}", *parts] if part not in message] == [], message


@pytest.mark.parametrize(
    ("metrics", "parts"),
    [
        ({"mine": "nowhere.py:mine"}, ["metrics.mine: no file 'nowhere.py'"]),
        ({"mine": "{}:moin"}, ["metrics.mine", "no function 'moin'", "it defines mine"]),
        ({"mine": "package.module:f"}, ["must be path/to/file.py:name"]),
        ({"mine": "{}:early"}, ["must take the rows, and nothing else without a default"]),
        ({"mine": "{}:none"}, ["must take the rows"]),
        ({"Mine": "{}:mine"}, ["metrics.Mine", "lower-case letters"]),
        ({"seed": "{}:mine"}, ["metrics.seed", "a column of the report's tables"]),
        ({"model_utility": "{}:mine"}, ["'model_utility' is a metric of this benchmark"]),
        # utility would be averaged as 10 to the mean of this
        ({"log10_model_utility": "{}:mine"}, ["log10_model_utility", "p-value", "another name"]),
        ({"mine": "{}:mine", "log10_mine": "{}:mine"}, ["metrics.log10_mine", "'mine'"]),
    ],
)
def test_what_can_be_said_before_any_job(file, metrics, parts):
    functions = {name: function.format(file) for name, function in metrics.items()}
    config = {"metrics": functions, "data": {"source": "mini"}}
    (problem,) = own_metric_problems(config)
    assert [part for part in parts if part not in problem] == [], problem
    assert [*own_metric_problems({**config, "metrics": {"mine": f"{file}:mine"}})] == []


def test_no_metric_is_called_like_a_column_of_the_reports_tables():
    assert set(frame.COLUMNS) == COLUMNS


def test_it_stands_among_the_others_of_an_evaluation_and_on_the_way(file, tmp_path):
    functions = {"mine": f"{file}:mine"}
    rows = {"forget": FORGET}
    assert write_evaluation(tmp_path, rows, "tofu", functions)["mine"] == 10
    assert read_metrics(tmp_path)["mine"] == read_metrics(tmp_path, "paper")["mine"] == 10
    assert read_json(tmp_path / "summary.json")["own"] == {"mine": "lower"}
    assert trajectory_point(1, 2, rows, "tofu", functions)["metrics"]["mine"] == 10
    write_evaluation(tmp_path, rows, "tofu")
    assert "own" not in read_json(tmp_path / "summary.json")


def test_tables_and_claims_know_it_with_its_direction(file, tmp_path, monkeypatch):
    monkeypatch.setattr(tofu, "METRICS", dict(tofu.METRICS))
    monkeypatch.setattr(tofu, "STUDIES", {None: dict(tofu.STUDIES[None])})
    experiment = SimpleNamespace(
        on_language_model=True,
        config={"metrics": {"mine": f"{file}:mine"}},
        benchmark=SimpleNamespace(name="tofu"),
        own_splits=["forget10"],
        target_run="finetune/seed=42",
        cells=lambda: [],
        layout=SimpleNamespace(evaluation=lambda split, run: tmp_path / split / run),
    )
    experiment.draws = [experiment]
    declare_own_metrics(experiment)
    assert tofu.METRICS["mine"].better == tofu.STUDIES[None]["mine"].better == ""  # none yet
    summary = tmp_path / "forget10" / "finetune/seed=42" / "summary.json"
    write_json(summary, {"own": {"mine": "lower"}})
    declare_own_metrics(experiment, recorded_directions(experiment))
    metric = tofu.METRICS["mine"]
    assert (metric.title, metric.better, metric.range) == ("mine", "lower", (-math.inf, math.inf))
    experiment.config["metrics"] = {}  # the next experiment of the same process
    declare_own_metrics(experiment)
    assert "mine" not in tofu.METRICS and "mine" not in tofu.STUDIES[None]

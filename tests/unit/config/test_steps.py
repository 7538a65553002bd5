"""Runs without a step or a learning rate, or that end before an evaluated epoch, are refused before
any job, whatever the data."""

import pytest
import yaml
from broken_models import good_model, use
from folders import EXPERIMENTS, ROOT
from project import micro
from refusals import assert_named, problems
from unlearning.config.experiment import load_experiment
from unlearning.config.judged import model_use
from unlearning.config.reading import merged
from unlearning.config.steps import step_problems
from unlearning.models.judgement import judge


def base(name: str) -> dict:
    """A micro experiment's config."""
    return yaml.safe_load((ROOT / f"tests/micro/{name}.yaml").read_text(encoding="utf-8"))


def refused(name: str, **changes) -> list[str]:
    return step_problems(load_experiment(merged(base(name), changes), ROOT))


# Four of the mini world's 40 rows are to be forgotten.
@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"pretrain": {"batch_size": 257}}, ["pretrain.batch_size", "256 rows", "batch of 257"]),
        ({"finetune": {"batch_size": 37}}, ["finetune.batch_size", "1 epochs of 36 rows"]),
        ({"unlearn": {"batch_size": 9}}, ["unlearn.batch_size", "2 epochs of 4 rows"]),
        ({"unlearn": {"batch_size": 5, "whole_batches": "epoch"}}, ["unlearn.batch_size", "of 5"]),
        (
            {"methods": {"GA": {"epochs": [2, 0.5]}}, "unlearn": {"trajectory": []}},
            ["unlearn.batch_size", "0.5 epochs of 4 rows"],
        ),
        ({"relearn": {"batch_size": 3}}, ["relearn.batch_size", "1 epochs of 2 rows"]),
        ({"relearn": {"fraction": [0.5, 0.25]}}, ["relearn.batch_size", "1 epochs of 1 rows"]),
        (
            {"relearn": {"warmup_epochs": 1, "batch_size": 2}},
            ["relearn.warmup_epochs", "1 steps of warm-up", "learning rate of 0"],
        ),
        ({"methods": {"GA": {"max_steps": 1}}, "unlearn": {"warmup_steps": 9}}, ["warmup_steps"]),
        ({"unlearn": {"max_steps": 1, "epochs": 5, "trajectory": [3]}}, ["trajectory", "epoch 3"]),
        # four rows in batches of nine: the first step has rows of epochs 1 to 3
        (
            {"unlearn": {"batch_size": 9, "epochs": 5, "trajectory": [1, 3]}},
            ["unlearn.trajectory", "epoch 1 of 4 rows", "as epoch 2"],
        ),
    ],
)
def test_named_before_any_job(changes, parts):
    lines = problems(merged(micro(), changes))
    assert len(lines) == 1 and all(part in lines[0] for part in parts), lines


def test_evaluated_epochs_of_methods_that_all_run_longer():
    """The runs' own epochs count, not those that no method takes."""
    longer = {"methods": {"GA": {"epochs": [3, 4]}}, "relearn": {"methods": []}}
    longer["unlearn"] = {"epochs": 2, "trajectory": [3]}
    no_methods = {**micro(), "methods": {}}
    load_experiment(merged(no_methods, longer), ROOT)
    longer["unlearn"]["trajectory"] = [4]
    assert_named(problems(merged(no_methods, longer)), "unlearn.trajectory", "epoch 4", "last of 3")


def test_a_rehearsal_evaluates_the_first_epoch_of_longer_runs_too():
    """Of its two forget rows an epoch is a step."""
    longer = {"methods": {"NPO": {"epochs": [2, 10]}}, "unlearn": {"trajectory": [1]}}
    experiment = load_experiment(merged(micro(), {**longer, "rehearsal": True}), ROOT)
    assert experiment.config["unlearn"]["trajectory"] == [1]
    assert step_problems(experiment) == []


def test_a_run_within_its_warm_up_is_a_run():
    """As in transformers, the learning rate then rises to the end."""
    experiment = load_experiment(merged(micro(), {"unlearn": {"warmup_epochs": 2}}), ROOT)
    assert step_problems(experiment) == []


def test_other_data():
    """Files of the user's are counted, also where retain rows make up an epoch; documents, too."""
    assert_named(refused("own", unlearn={"batch_size": 999}), "unlearn.batch_size", "of 999")
    rows = sum(1 for _ in (ROOT / "tests/micro/own/retain.jsonl").open(encoding="utf-8"))
    by_retain = {"anchor": "retain", "epochs": 1, "trajectory": []}
    assert refused("own", unlearn={**by_retain, "batch_size": rows}) == []
    (line,) = refused("own", unlearn={**by_retain, "batch_size": rows + 1})
    assert f"1 epochs of {rows} rows" in line
    (line,) = refused("wmdp", unlearn={"batch_size": 10**6})
    assert "unlearn.batch_size" in line
    assert refused("muse", unlearn={"batch_size": 64}) == []  # in tokens it may be too large
    (line,) = refused("muse", unlearn={"batch_size": 10**5})
    assert "unlearn.batch_size" in line and "cannot be made of 24 texts" in line
    tofu = yaml.safe_load((EXPERIMENTS / "tofu-llama3.2-1b.yaml").read_text(encoding="utf-8"))
    tofu = merged(tofu, {"unlearn": {"batch_size": 401}, "forget_splits": ["forget01"]})
    assert_named(step_problems(load_experiment(tofu, ROOT)), "unlearn.batch_size", "of 40 rows")


def test_texts_are_counted_with_the_model_s_tokenizer(tmp_path):
    for name in ("forget", "retain"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"text": "{name} a text of some words"}}\n')
    data = {role: str(tmp_path / f"{role}.jsonl") for role in ("forget", "retain")}
    model = good_model(tmp_path / "model")
    config = {"data": {"source": "own", **data}, "model": {"path": str(model), "prompt": "plain"}}
    config |= {"experiment": "texts", "methods": {"GA": {}}, "unlearn": {"batch_size": 500}}
    experiment = load_experiment(config, ROOT)
    (bound,) = step_problems(experiment)  # before any tokenizer: a token for each byte
    assert "unlearn.batch_size: 10 epochs of 1 rows" in bound and "of 1 texts" in bound
    (line,) = judge(model, {**use(), **model_use(experiment), "max_length": {"evaluation": 128}})
    assert "sequences of 500 tokens of forget: unlearn.batch_size" in line and "of 500:" in line


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_have_steps(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "synthetic" not in config:
        assert step_problems(load_experiment(config, ROOT)) == []

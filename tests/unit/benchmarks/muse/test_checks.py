"""A MUSE config: what is refused before any job, and which model each run starts from."""

import pytest
from folders import EXPERIMENTS, ROOT
from project import shipped
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError

MINI = EXPERIMENTS / "mini-muse.yaml"
NEWS = EXPERIMENTS / "muse-news-llama2-7b.yaml"


@pytest.mark.parametrize(
    "path, changes, expected",
    [
        (MINI, {"forget_splits": ["forget10"]}, ["forget_splits", "[forget]", "folds.splits"]),
        (MINI, {"folds": {"splits": ["sust3"]}}, ["sust3 goes on from sust2"]),
        (MINI, {"folds": {"splits": ["scal5"]}}, ["folds.splits", "scal2", "'scal5'"]),
        (MINI, {"folds": {"methods": ["NPO"]}}, ["folds.methods", "'NPO'", "GA+RT"]),
        (MINI, {"folds": {"methods": []}}, ["folds: splits and methods go together"]),
        (MINI, {"folds": {"seeds": [9]}}, ["folds.seeds: 9", "unlearn.seeds [1, 2, 3]"]),
        (MINI, {"methods": {"DPO": {}, "IDK+RT": {}}}, ["methods.DPO", "methods.IDK+RT", "text"]),
        (MINI, {"relearn": {"methods": ["GA"]}}, ["relearn.methods", "forget quality"]),
        (MINI, {"methods": {"AltPO+RT": {}}}, ["methods.AltPO+RT", "text without questions"]),
        (MINI, {"evaluation": {"fluency": True}}, ["evaluation.fluency", "as released"]),
        (MINI, {"evaluation": {"holdout": "x.json"}}, ["evaluation.holdout", "as released"]),
        (MINI, {"evaluation": {"membership": ["references"]}}, ["membership", "'references'"]),
        (MINI, {"evaluation": {"min_k": 0}}, ["evaluation.min_k", "greater than 0"]),
        (MINI, {"evaluation": {"gradnorm": 3}}, ["evaluation.gradnorm", "1, 2, inf"]),
        (MINI, {"methods": {"GA": {"schedule": "cos"}}}, ["GA.schedule", "linear", "'cos'"]),
        (MINI, {"methods": {"WHP": {}}, "folds": {"methods": ["WHP"]}}, ["WHP leaves two models"]),
        (
            MINI,
            {"methods": {"WHP": {}}, "unlearn": {"lora": {}}},
            ["methods.WHP: combines whole models", "unlearn.lora"],
        ),
        (MINI, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "no table"]),
        (NEWS, {"data": {"idontknow": "x.txt"}}, ["data: unknown key 'idontknow'"]),
        (MINI, {"evaluation": {"max_length": 99}}, ["evaluation.max_length", "remove it", "99"]),
        (MINI, {"finetune": {"replay_rows": 8}}, ["replay_rows", "set 0"]),
        (MINI, {"model": {"prompt": "llama2"}}, ["model.prompt", "plain", "llama2"]),
        (
            MINI,
            {"unlearn": {"lora": {"adapter": "keep"}}, "keep_models": False},
            ["unlearn.lora.adapter: keep leaves the models of sust2, sust3", "keep_models"],
        ),
        (MINI, {"data": {"corpus": "News"}}, ["data: unknown key 'corpus'"]),
        (MINI, {"data": {"mini_muse": {"persons": 2}}}, ["data.mini_muse", "at most 13"]),
        (MINI, {"data": {"mini_muse": {"persons": 900}}}, ["data.mini_muse", "2592"]),
        (NEWS, {"data": {"corpus": None}}, ["data.corpus", "News or Books"]),
        (NEWS, {"data": {"corpus": "Books"}}, ["folds.splits: MUSE-Books has no folds"]),
        (NEWS, {"data": {"data_dir": "/none"}}, ["no folder '/none'", "raw/forget.json"]),
        (NEWS, {"data": {"retain_authors": 20}}, ["unknown key 'retain_authors'"]),
        (ROOT / "config/config.yaml", {"folds": {"splits": ["scal2"]}}, ["folds.splits: only"]),
        (ROOT / "config/config.yaml", {"data": {"corpus": "News"}}, ["data: unknown key 'corpus'"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_what_does_not_apply_is_refused(path, changes, expected):
    with pytest.raises(UserError) as caught:
        preflight(load_experiment(shipped(path, **changes), ROOT))
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_scalability_starts_from_the_target():
    experiment = load_experiment(shipped(MINI), ROOT)
    folds = [cell for cell in experiment.cells() if cell.split != "forget"]
    assert {cell.method for cell in folds} == {"NPO+RT"} and {cell.seed for cell in folds} == {1}
    for cell in folds:
        if cell.split.startswith("scal"):
            assert experiment.starts_from(cell.split, cell.run) == experiment.layout.target(42)

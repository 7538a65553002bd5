"""A WMDP config: what is refused before any job, and what it needs from the hub."""

import pytest
from folders import EXPERIMENTS, ROOT
from project import shipped
from unlearning.config import preflight
from unlearning.config.experiment import load_experiment
from unlearning.config.judged import assets_of
from unlearning.errors import UserError

MINI = EXPERIMENTS / "mini-wmdp.yaml"
ZEPHYR = EXPERIMENTS / "wmdp-zephyr-7b.yaml"


@pytest.mark.parametrize(
    "path, changes, expected",
    [
        (MINI, {"forget_splits": ["forget10"]}, ["forget_splits", "bio, cyber", "'forget10'"]),
        (MINI, {"finetune": {"epochs": 3}}, ["finetune: not for", "unlearned as it is"]),
        (MINI, {"retrain": {"seeds": [1]}}, ["retrain: not for", "nothing is retrained"]),
        (MINI, {"relearn": {"methods": ["GA+RT"]}}, ["relearn: not for"]),
        (MINI, {"evaluation": {"rows": 5}}, ["evaluation: not for", "harness tasks"]),
        (MINI, {"unlearn": {"trajectory": [1]}}, ["unlearn.trajectory", "set []"]),
        (MINI, {"world_splits": ["bio"]}, ["world_splits", "set null"]),
        (MINI, {"methods": {"IDK+RT": {}}}, ["methods.IDK+RT", "documents without questions"]),
        (MINI, {"methods": {"RMU+ACT": {"layer": 3}}}, ["methods.RMU+ACT.layer", "0 to 2"]),
        (MINI, {"methods": {"NPO+RT": {"reference": "base"}}}, ["methods.NPO+RT.reference"]),
        (MINI, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "brings its own"]),
        (MINI, {"model": {"prompt": "zephyr"}}, ["model.prompt", "plain", "zephyr"]),
        (MINI, {"data": {"mini_wmdp": {"names": 900}}}, ["data.mini_wmdp", "at most 375"]),
        (MINI, {"data": {"data_dir": "x"}}, ["data: unknown key 'data_dir'"]),
        (ZEPHYR, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "add wmdp_bio, wmdp_cyber"]),
        (
            ZEPHYR,
            {"data": {"corpus": "News"}},
            ["data: unknown key 'corpus'", "Allowed: source, data_dir"],
        ),
        (ZEPHYR, {"data": {"hub_revision": "v2"}}, ["data: unknown key 'hub_revision'"]),
        (ZEPHYR, {"data": {"data_dir": "/none"}}, ["no folder '/none'", "bio-forget-corpus.jsonl"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_what_does_not_apply_is_refused(path, changes, expected):
    with pytest.raises(UserError) as caught:
        preflight.preflight(load_experiment(shipped(path, **changes), ROOT))
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_the_harness_is_asked_for_before_any_job(monkeypatch):
    """Also where the config names no task, for the miniature brings its own."""
    monkeypatch.setattr(
        preflight, "install_hint", lambda: "lm_eval is not installed. Run: pip install"
    )
    with pytest.raises(UserError, match=r"harness.tasks: lm_eval is not installed. Run: pip"):
        preflight.preflight(load_experiment(shipped(MINI), ROOT))


def test_each_corpus_is_a_repository_of_its_own():
    """The gated corpus and wikitext are fetched apart, each only as far as it is needed."""
    experiment = load_experiment(shipped(ZEPHYR, forget_splits=["bio", "cyber"]), ROOT)
    assets = assets_of(experiment)
    names = {asset: repository.get("name") for asset, repository in assets.items()}
    assert names == {
        "model": "HuggingFaceH4/zephyr-7b-beta",
        "data-bio": "cais/wmdp-bio-forget-corpus",
        "data-cyber": "cais/wmdp-corpora",
        "data-retain": "Salesforce/wikitext",
        "harness": None,
    }
    assert assets["data-retain"]["part"] == "wikitext-2-raw-v1/test"
    assert assets["data-bio"]["part"] == ""

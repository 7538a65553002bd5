"""A WMDP experiment: what is refused, what is planned, and all stages on a model of toy size."""

import csv
import json
import re

import pytest
from folders import ROOT
from project import shipped
from unlearning.__main__ import main
from unlearning.config import preflight as before
from unlearning.config.experiment import load_experiment
from unlearning.errors import UserError
from unlearning.evaluation.metrics import WMDP
from unlearning.files import read_json
from unlearning.reporting.evaluated import EvaluatedModel, seed_groups
from unlearning.reporting.published_models import beside, load_published_models

MINI = ROOT / "config" / "experiments" / "mini-wmdp.yaml"
ZEPHYR = ROOT / "config" / "experiments" / "wmdp-zephyr-7b.yaml"
PUBLISHED = ROOT / "config" / "published" / "wmdp.yaml"


@pytest.mark.parametrize(
    "path, changes, expected",
    [
        (MINI, {"forget_splits": ["forget10"]}, ["forget_splits", "bio, cyber", "'forget10'"]),
        (MINI, {"finetune": {"epochs": 3}}, ["finetune: not for", "unlearned as it is"]),
        (MINI, {"retrain": {"seeds": [1]}}, ["retrain: not for", "nothing is retrained"]),
        (MINI, {"relearn": {"methods": ["GA+RT"]}}, ["relearn: not for"]),
        (MINI, {"evaluation": {"rows": 5}}, ["evaluation: not for", "harness tasks"]),
        (MINI, {"unlearn": {"trajectory": [1]}}, ["unlearn.trajectory", "set []"]),
        (MINI, {"methods": {"IDK+RT": {}}}, ["methods.IDK+RT", "documents without questions"]),
        (MINI, {"methods": {"RMU+ACT": {"layer": 3}}}, ["methods.RMU+ACT.layer", "0 to 2"]),
        (MINI, {"methods": {"NPO+RT": {"reference": "base"}}}, ["methods.NPO+RT.reference"]),
        (MINI, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "brings its own"]),
        (MINI, {"model": {"prompt": "zephyr"}}, ["model.prompt", "plain", "zephyr"]),
        (MINI, {"data": {"mini_wmdp": {"names": 900}}}, ["data.mini_wmdp", "at most 375"]),
        (MINI, {"data": {"data_dir": "x"}}, ["data.data_dir: not for data.source mini-wmdp"]),
        (ZEPHYR, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "add wmdp_bio, wmdp_cyber"]),
        (ZEPHYR, {"data": {"corpus": "News"}}, ["data.corpus: not for data.source wmdp"]),
        (ZEPHYR, {"data": {"hub_revision": "v2"}}, ["data.hub_revision", "several"]),
        (ZEPHYR, {"data": {"data_dir": "/none"}}, ["no folder '/none'", "bio-forget-corpus.jsonl"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_what_does_not_apply_is_refused(path, changes, expected):
    with pytest.raises(UserError) as caught:
        before.preflight(load_experiment(shipped(path, **changes), ROOT))
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_the_harness_is_asked_for_before_any_job(monkeypatch):
    """Also where the config names no task, for the miniature brings its own."""
    monkeypatch.setattr(before, "absent", lambda: "lm_eval is not installed. Run: pip install")
    with pytest.raises(UserError, match=r"harness.tasks: lm_eval is not installed. Run: pip"):
        before.preflight(load_experiment(shipped(MINI), ROOT))


def test_each_corpus_is_a_repository_of_its_own():
    """The gated corpus and wikitext are fetched apart, each only as far as it is needed."""
    assets = load_experiment(shipped(ZEPHYR, forget_splits=["bio", "cyber"]), ROOT).assets
    names = {asset: told.get("name") for asset, told in assets.items()}
    assert names == {
        "model": "HuggingFaceH4/zephyr-7b-beta",
        "data-bio": "cais/wmdp-bio-forget-corpus",
        "data-cyber": "cais/wmdp-corpora",
        "data-retain": "Salesforce/wikitext",
        "harness": None,
    }
    assert assets["data-retain"]["part"] == "wikitext-2-raw-v1/test"
    assert assets["data-bio"]["part"] == ""


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The stages of a small WMDP experiment in one process, to its report."""
    results = tmp_path_factory.mktemp("results")
    tiny = {"epochs": 1, "batch_size": 4, "max_length": 48}
    model = shipped(MINI)["model"]
    model["architecture"] |= {"layers": 3, "width": 16, "heads": 2, "feed_forward": 16}
    config = shipped(
        MINI,
        results=str(results),
        model=model,
        data={"mini_wmdp": {"names": 4, "documents": 2, "pretrain_rows": 16}},
        pretrain={**tiny, "warmup_epochs": 0},
        unlearn={**tiny, "max_steps": 1, "warmup_steps": 0, "seeds": [1, 2, 3]},
    )
    config["methods"] = {"RMU+ACT": {"layer": 1}}
    experiment = load_experiment(config, ROOT)
    run_stages(experiment)
    return experiment


def run_stages(experiment) -> None:
    """What the rules call, in their order."""
    layout, data = experiment.layout, ["--data", str(experiment.layout.data)]

    def stage(name: str, settings: dict, *arguments) -> None:
        words = [name, *map(str, arguments), "--settings", json.dumps(settings)]
        assert main(words) == 0

    stage("data", experiment.config["data"], "--splits", "bio", "--out", layout.data)
    stage("pretrain", experiment.pretrain_settings(), *data, "--out", layout.base)
    start = ["--model", experiment.target, *data, "--split", "bio"]
    scores = experiment.reference("bio", "")
    stage("reference", experiment.reference_settings(), *start, "--out", scores)
    asked = [(experiment.target, layout.harness("bio", experiment.target_run))]
    for cell in experiment.cells():
        stage(
            "unlearn",
            experiment.method_settings(cell.method, cell.variant, "bio"),
            *(*start, "--retain", experiment.retain_table("bio"), "--reference", scores),
            *("--seed", cell.seed, "--out", layout.model("bio", cell.run)),
            *("--trajectory", layout.trajectory("bio", cell.run)),
        )
        asked.append((layout.model("bio", cell.run), layout.harness("bio", cell.run)))
    for model, summary in asked:
        where = ["--model", model, "--out", summary.parent]
        stage("harness", experiment.harness_settings(), *where)
    page = ["--template", ROOT / "reports/wmdp.html.j2", "--out", layout.report]
    page += ["--claims", ROOT / "config/claims.yaml", "--published", PUBLISHED]
    stage("report_wmdp", experiment.config, *page)


def test_the_report_holds_every_model(reported):
    text = (reported.layout.report / "tables" / "cells.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(text.splitlines()))
    assert [(row["method"], row["seed"]) for row in found] == [
        ("target", "0"),
        *(("RMU+ACT", seed) for seed in "123"),
    ]
    summary = read_json(reported.layout.harness("bio", "base"))["tasks"]
    assert list(summary) == ["mini_wmdp_bio", "mini_wmdp_cyber", "mini_mmlu"]
    assert {scores["documents"] for scores in summary.values()} == {20}  # 4 names, 5 questions
    bio = summary["mini_wmdp_bio"]["accuracy"]
    assert float(found[0]["one_minus_bio"]) == pytest.approx(1 - bio)
    assert float(found[0]["mmlu"]) == summary["mini_mmlu"]["accuracy"]


def test_a_mini_report_says_that_its_questions_are_its_own(reported):
    page = (reported.layout.report / "index.html").read_text(encoding="utf-8")
    assert "no number here is one of WMDP" in page
    assert "for orientation, not for comparison" in page
    assert "published 0." not in page  # no published number stands in a cell of ours
    linked = set(re.findall(r'href="((?:tables/)?[\w.]+\.(?:csv|json))"', page))
    assert linked >= {"tables/main.csv", "tables/cells.csv", "claims.json"}
    assert all((reported.layout.report / name).is_file() for name in linked)


def test_claims_are_judged_in_wmdp_experiments_alone(reported):
    verdicts = read_json(reported.layout.report / "claims.json")
    assert {v["id"].partition("-")[0] for v in verdicts} == {"wmdp"}
    told = {v["id"]: v for v in verdicts}
    assert told["wmdp-simnpo-keeps-mmlu"]["verdict"] == "not run"
    assert told["wmdp-rmu-nearer-chance"]["seeds"] == 3
    assert told["wmdp-original-knows"]["method"] == "target"


def test_a_published_number_stands_beside_the_same_model_and_values_alone():
    """The card's 0.584 is of a learning rate of 4e-6: ours is 0.580 to 0.620 there, inside. The
    paper states no values: its 0.74 stands beside any other variant."""
    experiment = load_experiment(shipped(ZEPHYR), ROOT)
    published = load_published_models(PUBLISHED, experiment, [*WMDP], 3)
    card, code = (c.variant for c in experiment.cells() if c.seed == 0 and "SimNPO" in c.run)
    models = [
        EvaluatedModel("bio", "SimNPO+RT", variant, variant, seed, "", {"one_minus_bio": value})
        for variant in (card, code)
        for seed, value in enumerate((0.58, 0.60, 0.62))
    ]
    first, second = (beside(published, group, experiment) for group in seed_groups(models))
    assert first["one_minus_bio"].value == 0.584
    assert first["one_minus_bio"].difference == pytest.approx(0.016)
    assert first["one_minus_bio"].inside
    assert second["one_minus_bio"].value == 0.74 and not second["one_minus_bio"].inside
    mini = load_experiment(shipped(MINI), ROOT)
    elsewhere = load_published_models(PUBLISHED, mini, [*WMDP], 3)
    assert not any(model.same for model in elsewhere)

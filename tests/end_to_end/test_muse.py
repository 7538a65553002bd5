"""A MUSE experiment: what is refused, what is planned, and all stages on a model of toy size."""

import csv
import json
import re

import pytest
from folders import ROOT
from project import shipped
from unlearning.__main__ import main
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError
from unlearning.evaluation.muse import privleak
from unlearning.files import read_json

MINI = ROOT / "config" / "experiments" / "mini-muse.yaml"
NEWS = ROOT / "config" / "experiments" / "muse-news-llama2-7b.yaml"


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
        (MINI, {"harness": {"tasks": ["mmlu"]}}, ["harness.tasks", "no table"]),
        (NEWS, {"data": {"idontknow": "x.txt"}}, ["data.idontknow: not for data.source muse"]),
        (MINI, {"finetune": {"replay_rows": 8}}, ["replay_rows", "set 0"]),
        (MINI, {"model": {"prompt": "llama2"}}, ["model.prompt", "plain", "llama2"]),
        (
            MINI,
            {"unlearn": {"lora": {"adapter": "keep"}}, "keep_models": False},
            ["unlearn.lora.adapter: keep leaves the models of sust2, sust3", "keep_models"],
        ),
        (MINI, {"data": {"corpus": "News"}}, ["data.corpus: not for data.source mini-muse"]),
        (MINI, {"data": {"mini_muse": {"persons": 2}}}, ["data.mini_muse", "at most 13"]),
        (MINI, {"data": {"mini_muse": {"persons": 900}}}, ["data.mini_muse", "2592"]),
        (NEWS, {"data": {"corpus": None}}, ["data.corpus", "News or Books"]),
        (NEWS, {"data": {"corpus": "Books"}}, ["folds.splits: MUSE-Books has no folds"]),
        (NEWS, {"data": {"data_dir": "/none"}}, ["no folder '/none'", "raw/forget.json"]),
        (NEWS, {"data": {"retain_authors": 20}}, ["data.retain_authors"]),
        (ROOT / "config/config.yaml", {"folds": {"splits": ["scal2"]}}, ["folds.splits: only"]),
        (ROOT / "config/config.yaml", {"data": {"corpus": "News"}}, ["data.corpus: only"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_what_does_not_apply_is_refused(path, changes, expected):
    with pytest.raises(UserError) as caught:
        preflight(load_experiment(shipped(path, **changes), ROOT))
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_each_request_goes_on_from_the_run_before(fresh):
    """sust3 needs sust2, which needs forget, each with scores under the model it starts from."""
    run = "NPO+RT/default/seed=1"
    target = f"results/mini-muse/sust3/unlearn/{run}/trajectory.json"
    done = fresh.snakemake(MINI, target, "--dry-run")
    jobs = fresh.job_stats(done.stdout)
    assert jobs["unlearn"] == 3 and jobs["reference_on_the_way"] == 2 and jobs["reference"] == 1
    assert jobs["finetune"] == 1 and not jobs["retrain"]
    chain = {
        "sust3": (f"sust2/unlearn/{run}/model", f"sust3/reference/{run}/forget.json"),
        "sust2": (f"forget/unlearn/{run}/model", f"sust2/reference/{run}/forget.json"),
        "forget": ("finetune/seed=42/model", "forget/reference/forget.json"),
    }
    inputs = [line for line in done.stdout.splitlines() if line.strip().startswith("input:")]
    for start, scores in chain.values():
        both = (f"results/mini-muse/{start}", f"results/mini-muse/{scores}")
        assert sum(all(f"{path}" in line for path in both) for line in inputs) == 1, both


def test_scalability_starts_from_the_target():
    experiment = load_experiment(shipped(MINI), ROOT)
    folds = [cell for cell in experiment.cells() if cell.split != "forget"]
    assert {cell.method for cell in folds} == {"NPO+RT"} and {cell.seed for cell in folds} == {1}
    for cell in folds:
        if cell.split.startswith("scal"):
            assert experiment.starts_from(cell.split, cell.run) == experiment.layout.target(42)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The stages of a small MUSE experiment in one process, to its report."""
    results = tmp_path_factory.mktemp("results")
    tiny = {"epochs": 1, "batch_size": 4, "warmup_epochs": 0, "max_length": 48}
    model = shipped(MINI)["model"]
    model["architecture"] |= {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16}
    config = shipped(
        MINI,
        results=str(results),
        model=model,
        data={"mini_muse": {"persons": 2, "questions": 3, "pretrain_persons": 8}},
        pretrain=tiny,
        finetune=tiny,
        unlearn={**tiny, "epochs": 2, "seeds": [1, 2], "trajectory": [1]},
        methods={"NPO+RT": {}},
        folds={"splits": ["scal2", "sust2"], "methods": ["NPO+RT"], "seeds": [1]},
    )
    config["methods"] = {"NPO+RT": {}}
    experiment = load_experiment(config, ROOT)
    run_stages(experiment)
    return experiment


def run_stages(experiment) -> None:
    """What the rules call, in their order."""
    layout, data = experiment.layout, ["--data", str(experiment.layout.data)]

    def stage(name: str, settings: dict, *arguments) -> None:
        words = [name, *map(str, arguments), "--settings", json.dumps(settings)]
        assert main(words) == 0

    splits = ["--splits", *experiment.splits]
    stage("data", experiment.config["data"], *splits, "--out", layout.data)
    stage("pretrain", experiment.pretrain_settings(), *data, "--out", layout.base)
    seeds = experiment.config["retrain"]["seeds"]
    learnt = [("full", 42, layout.target(42))]
    learnt += [
        (experiment.retrain_table("forget"), seed, layout.model("forget", run))
        for seed, run in zip(seeds, experiment.retrain_runs(), strict=True)
    ]
    for table, seed, out in learnt:
        settings, base = experiment.finetune_settings(), ["--model", layout.base]
        stage("finetune", settings, *base, *data, "--table", table, "--seed", seed, "--out", out)
    runs = [("forget", run) for run in (experiment.target_run, *experiment.retrain_runs())]
    for cell in experiment.cells():
        start = ["--model", experiment.starts_from(cell.split, cell.run), *data]
        start += ["--split", cell.split]
        scores = experiment.reference(cell.split, cell.run)
        stage("reference", experiment.reference_settings(), *start, "--out", scores)
        stage(
            "unlearn",
            experiment.method_settings(cell.method, cell.variant, cell.split),
            *(*start, "--retain", experiment.retain_table(cell.split), "--reference", scores),
            *("--seed", cell.seed, "--out", layout.model(cell.split, cell.run)),
            *("--trajectory", layout.trajectory(cell.split, cell.run)),
        )
        runs.append((cell.split, cell.run))
    for split, run in runs:
        model, out = layout.model(split, run), layout.evaluation(split, run)
        where = ["--model", model, *data, "--split", split, "--out", out]
        stage("evaluate", experiment.evaluate_settings(), *where)
    published = ROOT / "config" / "published" / "muse.yaml"
    page = ["--template", ROOT / "reports" / "muse.html.j2", "--out", layout.report]
    page += ["--claims", ROOT / "config" / "claims.yaml"]
    stage("report_muse", experiment.config, "--published", published, *page)


def cells(experiment) -> list[dict]:
    text = (experiment.layout.report / "tables" / "cells.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_report_holds_every_model(reported):
    found = [(row["split"], row["method"], row["seed"]) for row in cells(reported)]
    assert found == [
        ("forget", "target", "42"),
        ("forget", "retrain", "1"),
        ("forget", "retrain", "2"),
        ("forget", "NPO+RT", "1"),
        ("forget", "NPO+RT", "2"),
        ("scal2", "NPO+RT", "1"),
        ("sust2", "NPO+RT", "1"),
    ]
    page = (reported.layout.report / "index.html").read_text(encoding="utf-8")
    for title in ("Results", "At the selected epoch", "Scalability", "Sustainability"):
        assert f"<h2>{title}</h2>" in page
    assert "Forget quality" not in page
    linked = set(re.findall(r'href="(tables/[^"]+)"', page))
    assert linked == {"tables/main.csv", "tables/cells.csv", "tables/selected.csv"}
    linked |= set(re.findall(r'href="(figures/[^"]+)"', page))
    assert linked >= {"figures/scalability.svg", "figures/sustainability.svg"}
    assert all((reported.layout.report / name).is_file() for name in linked)
    assert "This is a world of its own" in page and "<small>published " not in page


def test_claims_about_muse_are_judged_on_its_forget_set(reported):
    told = {v["id"]: v for v in read_json(reported.layout.report / "claims.json")}
    assert all(name.startswith("muse-") for name in told)
    memorised = told["muse-target-memorises"]
    target, first, second, *_ = cells(reported)
    known = [float(row["verbmem_f"]) for row in (first, second)]
    assert memorised["split"] == "forget" and memorised["seeds"] == 0  # neither side has any
    assert memorised["numbers"]["of"] == pytest.approx(float(target["verbmem_f"]))
    assert memorised["numbers"]["than"] == pytest.approx(sum(known) / 2)
    assert told["muse-ga-collapses"]["verdict"] == "not run"


def test_privleak_is_the_mean_over_retrained_models(reported):
    target, first, second, *_ = cells(reported)
    aucs = [float(row["min_k_auc"]) for row in (target, first, second)]
    expected = sum(privleak(aucs[0], own) for own in aucs[1:]) / 2
    assert float(target["privleak"]) == pytest.approx(expected)
    assert first["privleak"] == ""  # the first retrained model is what others are judged by
    assert float(second["privleak"]) == pytest.approx(privleak(aucs[2], aucs[1]))
    assert {row["privleak_published"] for row in cells(reported)} == {""}  # a corpus of our own


def test_a_request_is_unlearned_from_the_model_before(reported):
    """Its training starts from that model: one more step away from the target."""
    layout, run = reported.layout, "unlearn/NPO+RT/default/seed=1"
    before, after = (layout.reference("sust2", own) for own in (None, run))
    assert not before.exists() and read_json(after)["tokens"]
    settings = read_json(layout.model("sust2", run) / "run.json")
    assert settings["losses"][0] != read_json(layout.model("scal2", run) / "run.json")["losses"][0]


def test_folds_are_evaluated_at_their_end_alone(reported):
    layout, run = reported.layout, "unlearn/NPO+RT/default/seed=1"
    points = {s: read_json(layout.trajectory(s, run))["points"] for s in ("forget", "scal2")}
    assert [point["epoch"] for point in points["forget"]] == [1] and points["scal2"] == []


def test_the_selected_epoch_is_the_first_that_forgets(reported):
    text = (reported.layout.report / "tables" / "selected.csv").read_text(encoding="utf-8")
    assert [row["seed"] for row in csv.DictReader(text.splitlines())] == ["1", "2"]

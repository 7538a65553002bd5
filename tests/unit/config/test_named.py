"""A target and retrained models that a config names: which runs there are, what is refused."""

from pathlib import Path

import pytest
import yaml
from finished import micro_config
from folders import ROOT
from refusals import assert_named, problems
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.judged import assets_of, model_use

FULL = {"path": "someone/full", "revision": "abc"}
RETAIN = {"path": "someone/retain90"}
UNUSED = ("pretrain", "finetune", "retrain")


def config(name: str = "tofu", drop: tuple[str, ...] = UNUSED, **changes) -> dict:
    """A micro experiment without a base model."""
    stated = {key: value for key, value in micro_config(name).items() if key not in drop}
    return stated | {"model": {"prompt": "plain", "precision": "float32"}} | changes


def named(**changes) -> dict:
    """With a target and a retrained model from the hub."""
    return config(**{"target": FULL, "retrained": {"forget10": RETAIN}} | changes)


def experiment(stated: dict) -> Experiment:
    return load_experiment(stated, ROOT)


def test_both_are_named():
    loaded = experiment(named())
    assert not loaded.fine_tunes and not loaded.retrains
    assert loaded.target_run == "target/given" and loaded.retrain_runs() == ["retrain/given"]
    assets = loaded.layout.assets
    assert loaded.target == assets / "target.json"
    retrained = loaded.model_of("forget10", "retrain/given")
    assert retrained == str(assets / "retrained-forget10.json")
    assert assets_of(loaded).keys() == {"target", "retrained-forget10"}
    fetched = assets_of(loaded)["target"]
    assert (fetched["name"], fetched["revision"]) == ("someone/full", "abc")
    assert fetched["setting"] == "target.path"


def test_harness_accuracies_of_the_target_are_shared_by_splits():
    layout = experiment(named()).layout
    shared = {layout.harness(split, "target/given") for split in ("forget05", "forget10")}
    assert shared == {Path("results/micro/target/given/harness/summary.json")}


def test_a_target_alone_leaves_the_base_to_retrained_models():
    model = {"path": "someone/base", "prompt": "plain"}
    loaded = experiment(config(target=FULL, model=model))
    assert loaded.retrains and not loaded.fine_tunes
    assert loaded.retrain_runs() == ["retrain/seed=42", "retrain/seed=43"]
    assert assets_of(loaded).keys() == {"model", "target"}
    assert model_use(loaded)["max_length"].keys() == {"finetune", "evaluation"}
    lengths = model_use(loaded, "target")["max_length"]
    assert lengths.keys() == {"unlearn", "evaluation", "relearn"}


def test_retrained_models_alone_leave_the_base_to_the_target():
    model = {"path": "someone/base", "prompt": "plain"}
    loaded = experiment(config(retrained={"forget10": RETAIN}, model=model))
    assert loaded.fine_tunes and not loaded.retrains
    assert loaded.target_run == "finetune/seed=42"
    assert assets_of(loaded).keys() == {"model", "retrained-forget10"}
    assert model_use(loaded, "retrained-forget10")["max_length"].keys() == {"evaluation"}


def test_a_base_that_nothing_reads_is_not_fetched_unless_it_is_a_reference():
    model = {"path": "someone/base", "prompt": "plain"}
    assert "model" not in assets_of(experiment(named(model=model)))
    methods = {"NPO": {"reference": ["target", "base"]}}
    relearn = {"methods": []}
    assert "model" in assets_of(experiment(named(model=model, methods=methods, relearn=relearn)))


def test_a_rehearsal_trains_small_models_instead():
    rehearsed = experiment(named(rehearsal=True))
    assert rehearsed.fine_tunes and rehearsed.retrains and not assets_of(rehearsed)


def test_the_example_in_the_docs():
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    first, second = (part.partition("```")[0] for part in page.split("```yaml\n")[1:])
    stated = yaml.safe_load(first)
    loaded = experiment(stated)
    assert assets_of(loaded).keys() == {"data", "target", "retrained-forget10"}
    assert loaded.retrain_runs() == ["retrain/given"]
    logged = experiment(stated | yaml.safe_load(second))
    assert logged.log_splits() == ["forget10"]
    assert assets_of(logged).keys() == {"data", "target"}


@pytest.mark.parametrize(
    ("stated", "key", "parts"),
    [
        (micro_config("tofu") | {"target": FULL}, "target.path", ["someone/full", "architecture"]),
        (config(target=FULL), "model", ["path", "retrained"]),
        (named(methods={"NPO": {"reference": "base"}}), "model", ["path", "reference"]),
        (named(target={"path": "full.gguf"}), "target.path", ["full.gguf", "restore"]),
        (named(target={"path": "no/such/folder"}), "target.path", ["no/such/folder", "hub id"]),
        (named(retrained={"forget10": FULL}), "retrained.forget10.path", ["target itself"]),
        (
            named(
                target={"path": "models/full"},
                retrained={"forget10": {"path": str(ROOT / "models/full")}},
            ),
            "retrained.forget10.path",
            ["target itself"],
        ),
        (named(retrained=RETAIN), "retrained.path", ["someone/retain90", "{forget10: {path"]),
        (named(retrained={"forget05": RETAIN}), "retrained", ["forget10", "add", "forget05"]),
        (named(retrained={"forget05": RETAIN}), "retrained.forget05", ["forget10", "remove"]),
        (named(retrained={"forget10": {}}), "retrained.forget10", ["path", "log"]),
        (
            named(retrained={"forget10": {"log": "a", "revision": "b"}}),
            "retrained.forget10.revision",
            ["b", "remove"],
        ),
        (named(finetune={"epochs": 1}), "finetune", ["target and retrained", "remove"]),
        (named(retrain={"seeds": [1]}), "retrain", ["retrained", "remove"]),
        (
            named(
                retrained={"forget10": {"log": "a.json"}}, methods={"NPO": {"reference": "retrain"}}
            ),
            "methods.NPO.reference",
            ["retrain", "retrained.forget10.path"],
        ),
        (
            config("own", methods={"NPO": {"reference": "retrain"}}, target=FULL),
            "methods.NPO.reference",
            ["retrain", "retrained"],
        ),
        (
            config("own", target=FULL, finetune={"epochs": 1}, drop=("pretrain",)),
            "finetune",
            ["target", "remove"],
        ),
        (
            config("own", target=FULL, retrained={"forget": {"log": "rows.json"}}),
            "retrained.forget.log",
            ["rows.json", "path"],
        ),
        (
            config("muse", target=FULL, retrained={"forget": {"log": "rows.json"}}),
            "retrained.forget.log",
            ["rows.json", "path"],
        ),
        (micro_config("wmdp") | {"target": FULL}, "target", ["wmdp", "model.path"]),
        (micro_config("wmdp") | {"retrained": {"bio": RETAIN}}, "retrained", ["wmdp", "remove"]),
    ],
)
def test_what_is_refused(stated, key, parts, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert_named(problems(stated), key, *parts)


def test_muse_and_own_data_take_both():
    for name in ("muse", "own"):
        loaded = experiment(config(name, target=FULL, retrained={"forget": RETAIN}))
        assert assets_of(loaded).keys() == {"target", "retrained-forget"}

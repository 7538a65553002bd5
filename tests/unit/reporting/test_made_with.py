"""Published numbers stand beside runs that were made and measured as theirs alone."""

import pytest
import yaml
from folders import EXPERIMENTS, ROOT
from unlearning.benchmarks.tofu.sizes import TOFU_ROWS_PER_AUTHOR
from unlearning.benchmarks.tofu.splits import forget_rows
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.published.comparison import holds, same_settings

PUBLISHED = yaml.safe_load((ROOT / "config/published/tofu.yaml").read_text(encoding="utf-8"))
SOURCES = {name: source for name, source in PUBLISHED["sources"].items() if "config" in source}
PAPERS = {"simnpo-paper", "model-card"}


def shipped(name: str, **changes) -> Experiment:
    config = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8"))
    for section, values in changes.items():
        config[section] = {**config.get(section, {}), **values}
    return load_experiment(config, ROOT)


def alike(experiment: Experiment, method: str = "NPO+RT", hyper: dict | None = None) -> set[str]:
    """Sources whose numbers of a method stand beside an experiment's runs."""
    return {
        name
        for name, source in SOURCES.items()
        if same_settings(source["config"], method, hyper or {}, experiment.config)
    }


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("tofu-llama2-7b", PAPERS),
        ("tofu-reference-bias-llama2-7b", PAPERS),
        ("tofu-llama3.2-1b", PAPERS),
        ("tofu-llama3.2-1b-open-unlearning", {"open-unlearning"}),
        ("tofu-divergence-llama2-7b", set()),  # its learning rate is constant
        ("tofu-tiny", set()),
    ],
)
def test_shipped_configs(name, sources):
    assert alike(shipped(name)) == sources


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation": {"rows": None}},
        {"evaluation": {"variant": "open-unlearning"}},
        {"unlearn": {"pairing": "fresh"}},
        {"unlearn": {"epochs": 9.6}},
        {"unlearn": {"weight_decay_on": "all"}},
        {"unlearn": {"lora": {}}},
        {"finetune": {"warmup_epochs": 1}},
    ],
    ids=str,
)
def test_one_other_setting_parts_them(changes):
    assert alike(shipped("tofu-llama2-7b", **changes)) == set()


def test_what_a_variant_overrides_counts():
    experiment = shipped("tofu-llama2-7b")
    assert alike(experiment, hyper={"epochs": 10}) == PAPERS
    assert alike(experiment, hyper={"epochs": 5}) == set()
    assert alike(experiment, hyper={"reference": "base"}) == set()


@pytest.mark.parametrize("method", [TARGET, RETRAIN])
def test_of_models_that_nothing_was_unlearned_from_unlearning_does_not_count(method):
    assert alike(shipped("tofu-divergence-llama2-7b"), method) == PAPERS
    assert alike(shipped("tofu-llama2-7b", evaluation={"rows": None}), method) == set()


def test_n_is_that_of_the_evaluated_rows():
    for source in SOURCES.values():
        most = source["config"]["evaluation"]["rows"]
        for split, n in source["n"].items():
            rows = forget_rows(split, 4000, TOFU_ROWS_PER_AUTHOR)
            assert n == (rows if most is None else min(rows, most))


def test_hyper_parameters_of_a_source_are_those_of_our_config_for_it():
    experiment = shipped("tofu-llama3.2-1b-open-unlearning")
    for method, stated in SOURCES["open-unlearning"]["hyper"].items():
        (variant,) = experiment.variants(method)
        ours = {"lr": experiment.config["unlearn"]["lr"]}
        ours |= experiment.method(method, variant).hyper
        assert stated.items() <= ours.items()


def test_holds_compares_what_is_stated_alone():
    config = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    assert holds(config, {"a": {"c": [1, 2]}, "d": None}) and holds(config, {})
    assert not holds(config, {"a": {"b": 2}})
    assert not holds(config, {"e": None})
    assert not holds({"a": None}, {"a": {"b": 1}})

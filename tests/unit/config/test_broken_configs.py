"""Mistakes in configs are refused, named, all at once and quickly; what is right is taken."""

import time

import pytest
import yaml
from broken_configs import BROKEN, schema_mistakes
from folders import EXPERIMENTS, ROOT
from project import micro
from unlearning.config.experiment import load_experiment
from unlearning.config.reading import merged, read_experiment
from unlearning.config.schema import ConfigError, schema_for
from unlearning.errors import UserError

RIGHT = {
    "language": micro(),
    "synthetic": yaml.safe_load((EXPERIMENTS / "synthetic.yaml").read_text(encoding="utf-8")),
}
SCHEMAS = {name: schema_for(config, ROOT) for name, config in RIGHT.items()}


def test_the_configs_are_right_before_they_are_broken():
    for config in RIGHT.values():
        load_experiment(config, ROOT)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_mistake_is_named(broken, tmp_path):
    path = broken.write(micro(), tmp_path)
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        read_experiment([path], {}, ROOT)
    assert time.monotonic() - start < 20
    message = str(caught.value)
    assert [part for part in broken.expected if part not in message] == [], message


@pytest.mark.parametrize("kind", RIGHT)
def test_every_key_of_the_schemas_refuses_what_it_must(kind):
    accepted = []
    for broken in schema_mistakes(SCHEMAS[kind]):
        try:
            load_experiment(broken.config(RIGHT[kind]), ROOT)
            accepted.append(broken.name)
        except ConfigError as error:
            message = str(error)
            assert [part for part in broken.expected if part not in message] == [], message
    assert accepted == []


def test_a_list_too_long_to_be_checked_is_refused_at_once():
    config = merged(micro(), {"unlearn": {"seeds": [*range(10**6)]}, "results": ""})
    with pytest.raises(ConfigError) as caught:
        load_experiment(config, ROOT)
    assert "unlearn.seeds: a list of 1,000,000 values; at most 10,000" in str(caught.value)
    assert "results" in str(caught.value)


def test_a_mistake_causes_no_further_ones():
    """A value that is wrong already, or a misspelt key, makes nothing else look wrong."""
    changes = {
        "unlearn": {"epoch": 30, "trajectory": [20]},  # epochs is meant, so 20 may be right
        "model": {"architecture": {"layers": "many"}},
        "methods": {"RMU+ACT": {"layer": 1}, "GA": 3},
        "relearn": {"methods": ["GA"]},
    }
    with pytest.raises(ConfigError) as caught:
        load_experiment(merged(micro(), changes), ROOT)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "methods.GA",
        "model.architecture.layers",
        "unlearn",
    ]


def test_as_many_runs_as_are_allowed():
    seeds = {"seeds": [*range(5000)]}
    with pytest.raises(ConfigError, match="15,000 runs"):
        load_experiment(merged(micro(), {"unlearn": seeds}), ROOT)
    config = merged(micro(), {"unlearn": seeds, "relearn": {"methods": []}})
    assert len(load_experiment(config, ROOT).cells()) == 10_000


def test_every_name_that_can_be_a_folder_is_taken():
    for results in ("results", ".", "/tmp/x", "mes résultats", "データ", "a b/c", "x'y\"$z", "r,s"):
        experiment = load_experiment(merged(micro(), {"results": results}), ROOT)
        assert str(experiment.layout.report).endswith("micro/report")


def test_the_example_in_the_readme_is_what_is_said():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    changes = {"methods": {"NPO+TR": {}}, "unlearn": {"lr": "1e-5"}}
    with pytest.raises(ConfigError) as caught:
        load_experiment(merged({**micro(), "relearn": {}}, changes), ROOT)
    first, second = str(caught.value).splitlines()
    assert first in readme and second[:100].partition("Known:")[0] in readme

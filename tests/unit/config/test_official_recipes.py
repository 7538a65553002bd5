"""Every shipped config runs what official_recipes.yaml says its recipe's source ran."""

from pathlib import Path

import pytest
import yaml
from folders import EXPERIMENTS, ROOT
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.training.plan import Recipe, StepPlan

TABLE = yaml.safe_load(Path(__file__).with_name("official_recipes.yaml").read_text("utf-8"))


def flat(names: list) -> list[str]:
    """A list of names, some of them lists of names."""
    return [n for name in names for n in (flat(name) if isinstance(name, list) else [name])]


CASES = [
    (recipe, name) for recipe, entry in TABLE["recipes"].items() for name in flat(entry["configs"])
]


def shipped(name: str) -> Experiment:
    path = EXPERIMENTS / f"{name}.yaml"
    return load_experiment(yaml.safe_load(path.read_text(encoding="utf-8")), ROOT)


def value_of(config: dict, key: str):
    for part in key.split("."):
        config = config[int(part) if isinstance(config, list) else part]
    return config


@pytest.mark.parametrize(("recipe", "name"), CASES, ids=lambda value: value.replace(" ", "-"))
def test_a_config_runs_its_published_recipe(recipe, name):
    entry, experiment = TABLE["recipes"][recipe], shipped(name)
    deviates = entry.get("deviates", {}).get(name, {})
    for key, value, _ in entry.get("values", []):
        assert key in deviates or value_of(experiment.config, key) == value, key
    for stage, rows, steps, warmup, _ in entry.get("plans", []):
        plan = StepPlan.of(Recipe(**experiment.recipe(stage)), rows)
        expected = deviates.get(f"{stage}.warmup", [warmup])[0]
        assert (plan.steps, plan.warmup) == (steps, expected), (stage, rows)
    for key, (value, why) in deviates.items():
        assert why and (key.endswith(".warmup") or value_of(experiment.config, key) == value), key
    for method, hyper, _ in entry.get("methods", []):
        variants = [
            {**experiment.method(method, stated).hyper, **stated}
            for stated in experiment.variants(method)
        ]
        assert any(hyper.items() <= variant.items() for variant in variants), (method, hyper)


def test_every_shipped_config_stands_in_the_table():
    files = {path.stem for path in [*EXPERIMENTS.glob("*.yaml"), ROOT / "config" / "config.yaml"]}
    published = {name for _, name in CASES}
    assert published.isdisjoint(TABLE["ours"])
    assert published | set(TABLE["ours"]) == files


def test_every_value_has_a_source():
    for entry in TABLE["recipes"].values():
        for line in (
            line for kind in ("values", "plans", "methods") for line in entry.get(kind, [])
        ):
            assert line[-1] and set(line[-1]) <= TABLE["sources"].keys(), line

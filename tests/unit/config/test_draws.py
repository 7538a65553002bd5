"""Draws of what is random before unlearning: seeds, paths, and draws that are refused."""

from copy import deepcopy

import pytest
import yaml
from folders import EXPERIMENTS, ROOT
from project import micro
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.reading import merged
from unlearning.config.schema import ConfigError

MICRO = ROOT / "tests" / "micro"
SEVEN = "tofu-llama2-7b"


def loaded(config: dict, **changes) -> Experiment:
    return load_experiment(merged(config, changes), ROOT)


def named(name: str, **changes) -> Experiment:
    """A micro experiment, or a shipped one."""
    path = MICRO / f"{name}.yaml"
    path = path if path.is_file() else EXPERIMENTS / f"{name}.yaml"
    return loaded(yaml.safe_load(path.read_text(encoding="utf-8")), **changes)


def differing(one: dict, other: dict, path: str = "") -> dict[str, tuple]:
    """Key -> values, where two configs differ."""
    pairs = {}
    for key in one.keys() | other.keys():
        name, sides = f"{path}{key}", (one.get(key), other.get(key))
        if all(isinstance(side, dict) for side in sides):
            pairs |= differing(*sides, f"{name}.")
        elif sides[0] != sides[1]:
            pairs[name] = sides
    return pairs


def test_a_number_stands_for_the_first_draws():
    assert [one.draw for one in loaded(micro(), draws=3).draws] == [1, 2, 3]
    assert [one.draw for one in loaded(micro(), draws=[4, 2]).draws] == [4, 2]
    assert [one.draw for one in loaded(micro()).draws] == [1]


def test_the_first_draw_is_the_experiment_without_draws():
    alone, first = loaded(micro()), loaded(micro(), draws=3).draws[0]
    assert differing(alone.config, first.config) == {"draws": (1, 3)}
    assert first.layout == alone.layout
    assert first.cells() == alone.cells()


def test_all_seeds_before_unlearning_differ_between_draws_and_no_other_setting():
    experiment = loaded(micro(), draws=[1, 3])
    first, third = (one.config for one in experiment.draws)
    assert differing(first, third) == {
        "draws": ([1, 3], None),
        "data.mini.seed": (1, 2_000_001),
        "model.architecture.seed": (0, 2_000_000),
        "finetune.seed": (42, 2_000_042),
        "retrain.seeds": ([1, 2], [2_000_001, 2_000_002]),
    }
    assert experiment.draws[1].config["unlearn"]["seeds"] == [1]


@pytest.mark.parametrize(
    "name, seeds",
    [
        ("muse", {"data.mini_muse.seed", "model.architecture.seed"}),
        ("wmdp", {"data.mini_wmdp.seed", "model.architecture.seed"}),
        ("own", {"model.architecture.seed"}),
        ("tofu-tiny", {"model.architecture.seed"}),
        (SEVEN, set()),
    ],
)
def test_seeds_of_each_benchmark(name, seeds):
    first, second = named(name, draws=2).draws
    fine_tuned = {"finetune.seed", "retrain.seeds"}
    of_draw = set(differing(first.config, second.config)) - {"draws"}
    assert of_draw - fine_tuned == seeds
    assert fine_tuned <= of_draw or not (first.fine_tunes or first.retrains)


def test_paths():
    """What does not differ between draws lies where the world does."""
    first, second = loaded(micro(), draws=2).draws
    assert str(second.layout.root) == "results/micro/draw=2"
    assert str(second.target) == "results/micro/draw=2/finetune/seed=1000042/model"
    assert second.base == "results/micro/draw=2/pretrain/model"
    assert str(second.layout.data) == "results/micro/draw=2/data"
    assert str(second.layout.assets) == "results/micro/assets"
    assert second.layout.report == first.layout.report
    first, second = named("tofu-tiny", draws=2).draws
    assert second.layout.data == first.layout.data
    assert second.layout.answers("refusals") == first.layout.answers("refusals")
    assert second.base == "results/tofu-tiny/draw=2/pretrain/model"
    first, second = named(SEVEN, draws=2).draws
    assert second.base == first.base
    assert str(second.target) == "results/tofu-llama2-7b/draw=2/finetune/seed=1000042/model"


def test_runs_of_a_draw_name_it():
    cells = [cell for one in loaded(micro(), draws=2).draws for cell in one.cells()]
    assert [cell.draw for cell in cells] == [1, 1, 2, 2]
    assert cells[0].run == cells[2].run


def test_a_rehearsal_has_two_draws_at_most():
    experiment = loaded(micro(), draws=[1, 4, 5], rehearsal=True)
    assert [one.draw for one in experiment.draws] == [1, 4]


GIVEN = {"model": {"path": "org/model", "architecture": None}, "pretrain": None}


@pytest.mark.parametrize(
    "name, changes, expected",
    [
        (
            "tofu",
            {"target": {"path": "org/model"}, "model": GIVEN["model"], "pretrain": None},
            ("draws: found 2", "target.path 'org/model'", "remove draws"),
        ),
        (
            "tofu",
            {"retrained": {"forget10": {"path": "org/other"}}},
            ("draws: found 2", "retrained names", "remove draws"),
        ),
        ("own", GIVEN, ("draws: found 2", "as it is", "remove draws", "unlearn.seeds")),
        ("wmdp-zephyr-7b", {}, ("draws: found 2", "as it is", "remove draws", "unlearn.seeds")),
        ("synthetic", {}, ("draws: found 2", "remove it", "synthetic.logistic.seeds")),
        (
            "tofu",
            {"retrain": {"seeds": [1, 1_000_001]}},
            ("retrain.seeds: seed 1 in draw 2", "seed 1000001 in draw 1", "1,000,000"),
        ),
        (
            "tofu",
            {"finetune": {"seed": 2**32 - 1}},
            ("finetune.seed: seed 4294967295 in draw 2", "4295967295", "smaller seed"),
        ),
        (
            "tofu",
            {"unlearn": {"seeds": [*range(3000)]}},
            ("in 2 draws make 18,000 runs", "at most 10,000"),
        ),
    ],
)
def test_draws_that_are_refused(name, changes, expected):
    with pytest.raises(ConfigError) as caught:
        named(name, draws=2, **deepcopy(changes))
    message = str(caught.value)
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize("value", [0, -1, [], [1, 1], [0], "two", 1.5, 1001, True, None])
def test_what_is_no_draw(value):
    with pytest.raises(ConfigError) as caught:
        loaded(micro(), draws=value)
    assert "draws" in str(caught.value)

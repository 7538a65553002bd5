"""The set-up of an experiment in words."""

from unlearning.reporting.setup import base_model, recipe

UNLEARN = {"epochs": 5.0, "batch_size": 32, "lr": 1.0e-5, "max_steps": None}


def test_the_recipe_names_a_limit_of_steps():
    """Of 5 epochs that a limit ends, a reader would reckon other steps."""
    assert recipe(UNLEARN) == "5 epochs, batch 32, learning rate 1e-5"
    limited = recipe(UNLEARN | {"max_steps": 125})
    assert limited == "5 epochs, batch 32, learning rate 1e-5, at most 125 steps"


def test_a_base_model_is_named_by_the_last_part_of_its_path():
    for path in ("meta-llama/Llama-2-7b-hf", "/models/Llama-2-7b-hf/"):
        assert base_model({"architecture": None, "path": path}) == "Llama-2-7b-hf"

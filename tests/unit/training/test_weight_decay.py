"""Which weights decay: all but norm weights and biases, as under transformers' Trainer."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from families import family_model
from torch import nn
from toy import toy
from transformers import Trainer
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.lora import add_lora
from unlearning.training.optimizers import decay_groups, make_optimizer, paged_adamw_class
from unlearning.training.plan import Recipe

sys.path.append(str(Path(sys.prefix) / "gpu"))  # what the environment itself has not

LR, DECAY = 0.5, 0.1
KEPT = 1 - LR * DECAY  # what AdamW leaves of a weight without gradient: w - lr * decay * w
bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="no bitsandbytes: `make install` brings it"
)


def recipe(**changes):
    values = {"epochs": 1, "batch_size": 1, "lr": LR, "warmup_epochs": 0, "schedule": "constant"}
    values |= {"weight_decay": DECAY, "clip_norm": None, "max_length": 64}
    return Recipe(**{**values, **changes})


class ByHand(nn.Module):
    """Names of every kind that there is, all weights 1."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(3, 2)
        self.layer = nn.Linear(2, 2)
        self.final = nn.LayerNorm(2)  # known by its class
        self.input_layernorm = nn.RMSNorm(2)  # known by their names
        self.norm = nn.RMSNorm(2)
        self.q_norm = nn.RMSNorm(2)
        self.normaliser = nn.Linear(2, 2, bias=False)  # no norm
        for parameter in self.parameters():
            nn.init.ones_(parameter)


DECAYING = {"embed.weight", "layer.weight", "normaliser.weight"}


def after_a_step_without_gradient(model, trained, chosen: Recipe) -> dict[str, float]:
    """Name -> what one step makes of a weight 1."""
    optimizer = make_optimizer(model, trained, chosen)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    with torch.compiler.set_stance("force_eager"):
        optimizer.step()
    return {name: float(p.detach().mean()) for name, p in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
@pytest.mark.parametrize(
    "optimizer", ["adamw", "adamw8bit", pytest.param("paged_adamw_32bit", marks=bitsandbytes)]
)
def test_norms_and_biases_stay_and_matrices_decay(optimizer, monkeypatch):
    """bitsandbytes steps on the CPU as well, only that nothing is paged there."""
    monkeypatch.setattr(
        "unlearning.training.optimizers._paged",
        lambda groups, lr: paged_adamw_class()(groups, lr=lr),
    )
    model = ByHand()
    weights = after_a_step_without_gradient(
        model, list(model.parameters()), recipe(optimizer=optimizer)
    )
    expected = {name: KEPT if name in DECAYING else 1.0 for name in weights}
    assert weights == pytest.approx(expected, abs=1e-6)


def test_all_lets_every_weight_decay():
    model = ByHand()
    chosen = recipe(weight_decay_on="all")
    weights = after_a_step_without_gradient(model, list(model.parameters()), chosen)
    assert weights == pytest.approx(dict.fromkeys(weights, KEPT))


def test_a_part_of_the_parameters_has_the_same_choice():
    model = ByHand()
    trained = [model.layer.bias, model.norm.weight, model.layer.weight]
    weights = after_a_step_without_gradient(model, trained, recipe())
    expected = {**dict.fromkeys(weights, 1.0), "layer.weight": KEPT}
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize("family", ["Llama", "Qwen2", "Qwen3", "Phi", "GPT-NeoX", "GPT-2"])
def test_the_choice_is_that_of_transformers(family):
    """Llama and Qwen have RMS norms that are known by their names, Qwen3 also of queries and keys,
    the others layer norms and biases. A tied projection bears two names; one of them counts."""
    model = family_model(family)
    names = {name for name, _ in model.named_parameters()}
    theirs = names & set(Trainer.get_decay_parameter_names(None, model))
    groups = decay_groups(model, list(model.parameters()), recipe())
    assert [group["weight_decay"] for group in groups] == [DECAY, 0.0]
    decaying = {id(parameter) for parameter in groups[0]["params"]}
    assert {n for n, p in model.named_parameters() if id(p) in decaying} == theirs
    assert 0 < len(theirs) < len(names)


def test_an_adapter_decays_whole_and_rmu_trains_matrices_alone():
    """Neither has a norm weight or a bias, so there is one group."""
    model, _ = toy()
    lora = {"rank": 2, "alpha": 4, "modules": "all-linear", "adapter": "merge"}
    chosen = recipe(lora=lora)
    add_lora(model, chosen, 0, {"precision": "float32"}, "base")
    adapter = [p for p in model.parameters() if p.requires_grad]
    (group,) = decay_groups(model, adapter, chosen)
    assert group["weight_decay"] == DECAY and len(group["params"]) == 14  # seven linear layers

    model, _ = toy()
    rmu = build_objective(resolve("RMU+ACT", {"layer": 0}).settings())
    (group,) = decay_groups(model, rmu.trained(model), recipe())
    assert group == {"params": [model.model.layers[0].mlp.down_proj.weight], "weight_decay": DECAY}

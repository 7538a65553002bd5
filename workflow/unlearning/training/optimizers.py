"""Optimisers by their name in a recipe."""

import os
import shutil

import torch
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer
from transformers.trainer_pt_utils import get_parameter_names

from unlearning.errors import UserError
from unlearning.training.plan import Recipe

# Names of parameters that transformers' Trainer lets not decay (get_decay_parameter_names), beside
# those of every nn.LayerNorm.
UNDECAYED = (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)")


def make_optimizer(model: nn.Module, trained: list[Parameter], recipe: Recipe) -> Optimizer:
    """The recipe's optimiser over the parameters `trained` of `model`; UserError if the machine
    lacks it."""
    groups = decay_groups(model, trained, recipe)
    if recipe.optimizer == "adamw":
        # one tensor after another, as on the CPU: all at once, a GPU's default, takes 4 bytes more
        # for each parameter
        return torch.optim.AdamW(groups, lr=recipe.lr, foreach=False)
    if recipe.optimizer == "paged_adamw_32bit":
        return _paged(groups, recipe.lr)
    return _adamw8bit(groups, recipe.lr)


def decay_groups(model: nn.Module, trained: list[Parameter], recipe: Recipe) -> list[dict]:
    """`trained` as an optimiser's parameter groups: what decays, and what does not, if any.

    Source: transformers' Trainer, which trained every published model, leaves out norm weights and
    biases (recipe.weight_decay_on `matrices`); `all` is AdamW over everything.
    """
    if recipe.weight_decay_on == "all":
        return [{"params": trained, "weight_decay": recipe.weight_decay}]
    names = set(get_parameter_names(model, [nn.LayerNorm], UNDECAYED))
    decaying = {id(parameter) for name, parameter in model.named_parameters() if name in names}
    matrices = [parameter for parameter in trained if id(parameter) in decaying]
    vectors = [parameter for parameter in trained if id(parameter) not in decaying]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _paged(groups: list[dict], lr: float) -> Optimizer:
    """AdamW with states in CUDA's managed memory (arXiv 2305.14314), from bitsandbytes: they move
    to the GPU as they are used and to the host where others need the room. The optimizer of the
    official TOFU and NPO code, under transformers' name for it."""
    if not torch.cuda.is_available():
        raise UserError(
            "optimizer: paged_adamw_32bit pages states between a CUDA GPU and the host, and this "
            "machine has no such GPU. Run on one, or set optimizer to adamw"
        )
    return paged_adamw_class()(groups, lr=lr)


def paged_adamw_class() -> type[Optimizer]:
    """bitsandbytes' class; UserError without the package."""
    try:
        from bitsandbytes.optim import PagedAdamW32bit
    except ImportError as error:
        raise UserError(_absent("paged_adamw_32bit", "bitsandbytes", error)) from None
    return PagedAdamW32bit


def _absent(optimizer: str, package: str, error: ImportError) -> str:
    return (
        f"optimizer: {optimizer} needs the package {package} ({error}). Install it with "
        "`pip install --constraint envs/constraints.txt '.[gpu]'`, or set optimizer to adamw"
    )


def _adamw8bit(groups: list[dict], lr: float) -> Optimizer:
    """AdamW with block-wise 8-bit states (arXiv 2110.02861), from torchao."""
    try:
        from torchao.optim import AdamW8bit
    except ImportError as error:
        raise UserError(_absent("adamw8bit", "torchao", error)) from None
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"optimizer: adamw8bit compiles its step and finds no '{compiler}'. Install a C++ "
            "compiler or name one in CXX, or set optimizer to adamw"
        )
    optimizer = AdamW8bit(groups, lr=lr)
    optimizer.register_step_pre_hook(_lr_as_tensor)
    return optimizer


def _lr_as_tensor(optimizer: Optimizer, args, kwargs) -> None:
    """A learning rate set as a number would be compiled into the step, so torchao refuses it."""
    for group in optimizer.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)

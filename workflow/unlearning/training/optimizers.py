"""Make the optimiser that a recipe names: AdamW, with 8-bit states, or with paged states."""

import os
import shutil

import torch
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer
from transformers.trainer_pt_utils import get_parameter_names

from unlearning.errors import UserError
from unlearning.training.plan import Recipe

# Patterns of the parameters without weight decay in transformers' Trainer
# (get_decay_parameter_names), beside those of every nn.LayerNorm.
UNDECAYED = (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)")


def make_optimizer(model: nn.Module, trained: list[Parameter], recipe: Recipe) -> Optimizer:
    """The recipe's optimiser of the parameters `trained`; UserError if the machine lacks a package,
    a compiler or a GPU that it needs."""
    groups = decay_groups(model, trained, recipe)
    if recipe.optimizer == "adamw":
        # one tensor after another, as on the CPU: a GPU's default, all at once, takes 4 more bytes
        # for each parameter
        return torch.optim.AdamW(groups, lr=recipe.lr, foreach=False)
    if recipe.optimizer == "paged_adamw_32bit":
        return _paged(groups, recipe.lr)
    return _adamw8bit(groups, recipe.lr)


def decay_groups(model: nn.Module, trained: list[Parameter], recipe: Recipe) -> list[dict]:
    """The parameters `trained` as an optimiser's groups: one with weight decay, one without.

    weight_decay_on `matrices`: norm weights and biases do not decay, as in transformers' Trainer,
    which trained every published model. `all`: everything decays, as in plain AdamW.
    """
    if recipe.weight_decay_on == "all":
        return [{"params": trained, "weight_decay": recipe.weight_decay}]
    names = set(get_parameter_names(model, [nn.LayerNorm], UNDECAYED))
    # by identity: a method gives the tensors that it trains, without their names
    decaying = {id(parameter) for name, parameter in model.named_parameters() if name in names}
    matrices = [parameter for parameter in trained if id(parameter) in decaying]
    vectors = [parameter for parameter in trained if id(parameter) not in decaying]
    groups = []
    for parameters, decay in ((matrices, recipe.weight_decay), (vectors, 0.0)):
        if parameters:  # RMU trains matrices alone
            groups.append({"params": parameters, "weight_decay": decay})
    return groups


def _paged(groups: list[dict], lr: float) -> Optimizer:
    """AdamW with states in CUDA's managed memory (arXiv 2305.14314), from bitsandbytes.

    States move to the GPU when they are used, and to the host when the GPU's memory is needed for
    something else. The official TOFU and NPO code has this optimizer, by transformers' name.
    """
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
    """The message about a package that an optimiser needs and that cannot be imported."""
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
    # torchao compiles at the first step, and fails there with a traceback without one
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
    """Make the learning rate a tensor before each step: torchao compiles the step, and a number
    would be compiled into it."""
    for group in optimizer.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)

"""Shard a model over processes (FSDP2): each holds a share of weights, gradients and states.

This calls PyTorch's fully_shard itself. accelerate's FSDP runs on GPUs only, so no test on a CPU
could cover it, and it sums gradients in bfloat16 under bfloat16. Here weights are gathered and
gradients are reduced in the parameters' own type (float32), and autocast computes as in one
process, so sharding changes no number.
"""

import copy
from weakref import WeakKeyDictionary

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from unlearning.errors import UserError
from unlearning.models.scorer import Scorer
from unlearning.training.plan import Recipe

# sharded model -> a copy without weights, from which full_state_model() makes a full model
_SKELETONS: WeakKeyDictionary = WeakKeyDictionary()


def check_shardable(recipe: Recipe) -> None:
    """UserError if the recipe has an adapter or an optimizer that cannot be sharded."""
    for key, value in (("lora", recipe.lora), ("optimizer", recipe.optimizer)):
        if value is not None and value not in ("adamw", "adamw8bit"):
            raise UserError(
                f"{key}: {value} cannot be shared out over processes; set resources.sharding to "
                f"replicate, or {key} to {'null' if key == 'lora' else 'adamw'}"
            )


def shard(scorer: Scorer, accelerator: Accelerator) -> Scorer:
    """Shard the scorer's parameters in place, each transformer layer by itself; returns the scorer.

    Parameters change from tensors to DTensors, so the optimizer has to be made afterwards.
    Embeddings, tied or not, belong to the root module, whose weights stay gathered from the forward
    pass to the end of the backward pass.
    """
    model = scorer.model
    _SKELETONS[model] = _refilled(model, lambda _, p: torch.empty_like(p, device="meta"))
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    # layer by layer, so that the weights of one layer at a time are gathered
    layers = [m for m in model.modules() if type(m).__name__ in model._no_split_modules]
    for module in (*layers, scorer):
        fully_shard(module, mesh=mesh)
    return scorer


def full_state_model(model, accelerator: Accelerator, main_only: bool = False):
    """A full copy of a sharded model, or `model` itself if it is not sharded.

    Every process has to call it. main_only: make the copy on the CPU of the main process, one
    parameter after another, to save memory; the other processes get None.
    """
    if model not in _SKELETONS:
        return model
    device = torch.device("cpu") if main_only else accelerator.device
    gathered = {}
    # one parameter after another: all at once would need the whole model on every device
    for name, parameter in model.named_parameters():
        full = parameter.detach().full_tensor()
        if accelerator.is_main_process or not main_only:
            gathered[name] = full.to(device)
    if not gathered:
        return None
    return _refilled(_SKELETONS[model], lambda name, _: gathered[name]).to(device)


def _refilled(model, fill):
    """A copy of a module with fill(name, parameter) for each parameter; tied ones stay tied."""
    # deepcopy takes what its memo has for an object's id in place of a copy
    memo: dict[int, nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        memo[id(parameter)] = nn.Parameter(fill(name, parameter), parameter.requires_grad)
    return copy.deepcopy(model, memo)

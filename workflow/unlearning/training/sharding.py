"""FSDP2: weights, gradients and optimizer states shared out over processes, layer by layer.

PyTorch's fully_shard itself: accelerate's own FSDP runs on GPUs alone, where a test on the CPU
cannot follow it, and under bfloat16 it adds up gradients in bfloat16. Here all that is gathered
and reduced has the parameters' own type (float32), and autocast computes as on one process, so
sharding changes no number.
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

# sharded model -> the same model without weights, to be filled where a whole one is needed
_SKELETONS: WeakKeyDictionary = WeakKeyDictionary()


def check_shardable(recipe: Recipe) -> None:
    """UserError if what the recipe trains, or its optimizer, cannot be shared out."""
    for key, value in (("lora", recipe.lora), ("optimizer", recipe.optimizer)):
        if value is not None and value not in ("adamw", "adamw8bit"):
            raise UserError(
                f"{key}: {value} cannot be shared out over processes; set resources.sharding to "
                f"replicate, or {key} to {'null' if key == 'lora' else 'adamw'}"
            )


def shard(scorer: Scorer, accelerator: Accelerator) -> Scorer:
    """The scorer with its parameters shared out in place, each transformer layer on its own.

    Parameters change from tensors to DTensors, so an optimizer is made afterwards. Embeddings,
    tied or not, go with the root: gathered from the forward pass to the end of the backward pass.
    """
    model = scorer.model
    _SKELETONS[model] = _refilled(model, lambda _, p: torch.empty_like(p, device="meta"))
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    layers = [m for m in model.modules() if type(m).__name__ in model._no_split_modules]
    for module in (*layers, scorer):
        fully_shard(module, mesh=mesh)
    return scorer


def full_state_model(model, accelerator: Accelerator, main_only: bool = False):
    """`model` as it is, or, of a sharded one, a whole copy; every process has to take part.

    main_only: the copy is on the CPU of the main process, one parameter at a time; elsewhere None.
    """
    if model not in _SKELETONS:
        return model
    device = torch.device("cpu") if main_only else accelerator.device
    gathered = {}
    for name, parameter in model.named_parameters():
        full = parameter.detach().full_tensor()
        if accelerator.is_main_process or not main_only:
            gathered[name] = full.to(device)
    if not gathered:
        return None
    return _refilled(_SKELETONS[model], lambda name, _: gathered[name]).to(device)


def _refilled(model, fill):
    """A copy of a module with fill(name, parameter) for each parameter; tied ones stay tied."""
    filled = {
        id(p): nn.Parameter(fill(name, p), p.requires_grad) for name, p in model.named_parameters()
    }
    return copy.deepcopy(model, filled)

"""How a run is laid out in memory. Nothing here changes a result beyond its rounding."""

import os
from collections.abc import Callable
from dataclasses import replace

import torch
from accelerate import Accelerator

from unlearning.errors import UserError
from unlearning.methods.objective import Objective
from unlearning.planning.memory import GIB, SAFE, Step, largest_micro_batch, room, training
from unlearning.planning.shapes import shape_from_config
from unlearning.training.batches import Pair
from unlearning.training.plan import Fit, Recipe

# Tokens of a CPU's micro-batch. More take memory and hardly less time: products of matrices of so
# many rows come near the CPU's speed already (reports/benchmarks/speed.md).
CPU_TOKENS = 1024


def micro_batch_sizer(
    model,
    objective: Objective,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    sharded: bool = False,
) -> Callable[[list[Pair]], int]:
    """A function of a global batch that returns how many of its pairs go through `model` at once.

    That is fit.micro_batch if it is set. Otherwise it is the largest number for which the memory
    estimate (planning/memory.py) fits the device, with every row as long as the batch's longest; on
    a CPU with at most CPU_TOKENS tokens of the batch's mean length besides. All processes compute
    it from the same batch, so they agree on it.
    """
    micro_batch = fit.micro_batch
    if micro_batch is not None:
        return lambda pairs: micro_batch
    free = room_of(accelerator.device)
    trained = sum(parameter.numel() for parameter in objective.trained(model))
    # with LoRA the adapter is all that is trained, and no part of the model's own shape
    adapter = trained if recipe.lora else 0
    # counted, because the formula of Shape holds for Llama's kin alone
    counted = sum(parameter.numel() for parameter in model.parameters()) - adapter
    shape = replace(
        shape_from_config(model.config.to_dict(), "the model's config"), counted=counted
    )
    needs = objective.needs
    on_cpu = accelerator.device.type == "cpu"
    # where room_of() is an estimate itself, it refuses no run
    limited = accelerator.device.type == "cuda" or "SLURM_MEM_PER_NODE" in os.environ

    def size(pairs: list[Pair]) -> int:
        rows = [row for pair in pairs for row in pair.values()]
        width = max(len(row.ids) for row in rows)
        labels = max(len(row.ids) - row.start for row in rows)
        step = Step.of(
            len(objective.roles),
            needs.logits,
            needs.teacher,
            width,
            labels,
            micro_batch=1,
            trained=trained / shape.parameters,
            adapter=adapter,
            half=accelerator.mixed_precision == "bf16",
            optimizer=recipe.optimizer,
            checkpointing=fit.gradient_checkpointing,
            processes=accelerator.num_processes,
            sharded=sharded,
            pure=model.dtype == torch.bfloat16,
        )
        # computed for each step: batches of short rows may go through in fewer, larger parts
        pairs_at_once = largest_micro_batch(shape, step, len(pairs), free)
        if pairs_at_once == 1 and limited:
            check_room(training(shape, step)["total"], free)
        if on_cpu:
            tokens = sum(len(row.ids) for row in rows)
            pairs_at_once = min(pairs_at_once, max(1, CPU_TOKENS * len(pairs) // tokens))
        return pairs_at_once

    return size


def check_room(needed: float, free: float) -> None:
    """UserError if one pair does not fit, even if the estimate is 15% too high."""
    if SAFE * needed > free:
        raise UserError(
            f"training needs about {needed / GIB:.1f} GiB with one pair at a time, and "
            f"{free / GIB:.1f} GiB are there. `make plan` names the settings that would fit; "
            "micro_batch: 1 tries all the same"
        )


def room_of(device: torch.device) -> float:
    """Bytes that a job may fill: the GPU's memory; without a GPU what SLURM granted the job, or
    else its threads' share of the machine."""
    if device.type == "cuda":
        return room(torch.cuda.get_device_properties(device).total_memory)
    if granted := os.environ.get("SLURM_MEM_PER_NODE"):  # MB
        return float(granted) * 2**20
    # Snakemake runs as many jobs as there are threads for, each with its share of the memory
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine * torch.get_num_threads() / (os.cpu_count() or 1)

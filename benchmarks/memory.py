"""Peak memory of two training steps of a Llama from random weights, beside what is predicted.

    python benchmarks/memory.py '{"layers": 8, "width": 512, …}' … [--device cuda]

Prints JSON in bytes, a line for each case: measured above what was there before the model,
predicted in total and by part. On the CPU that is the resident set, so call it with
MALLOC_MMAP_THRESHOLD_=65536: freed tensors then go back to the system and do not count twice. A toy
model runs first, so that libraries' own buffers are there before.
"""

import argparse
import gc
import json
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from unlearning.data.encoding import Example
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.models.lora import add_lora
from unlearning.planning.memory import Step, training
from unlearning.planning.shapes import shape_of
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sources import UnlearnSource

TOY = {"layers": 1, "width": 64, "heads": 2, "feed_forward": 128, "vocabulary": 64}
DEFAULTS = {"method": "NPO+RT", "micro_batch": 2, "tokens": 128, "precision": "float32"}
DEFAULTS |= {"optimizer": "adamw", "gradient_checkpointing": False, "passes": 2}
DEFAULTS |= {"lora": None}


def status(key: str) -> int:
    """Bytes of an entry of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


def reset(device: str) -> int:
    """Forget the peak so far; bytes in use now."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak(device: str) -> int:
    """Bytes in use at the peak since reset()."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else status("VmHWM")


def steps(case: dict, device: str) -> None:
    """Two optimiser steps of `passes` micro-batches each: in the second all states are there."""
    shape = {"context": 2 * case["tokens"], **{key: case[key] for key in TOY}}
    # 7 B parameters drawn on a CPU take a minute; but what stays frozen under LoRA is halved before
    # it goes to the GPU, as in the stages, and would lie there in float32 first
    with torch.device("cpu" if case["lora"] else device):
        model = build_model(shape, shape["vocabulary"], 0)
    objective = build_objective(resolve(case["method"], {}).settings())
    rows: dict[str, list[Example]] = {}  # rows of several roles that are alike would share tokens
    for role in objective.roles:
        ids = torch.randint(2, shape["vocabulary"], (8, case["tokens"])).tolist()
        rows[role] = [Example(tuple(row), case["tokens"] // 2, 100.0) for row in ids]
    batch = case["micro_batch"] * case["passes"]
    recipe = Recipe(
        epochs=2 * batch / 8,
        batch_size=batch,
        lr=1e-5,
        warmup_epochs=0,
        schedule="constant",
        weight_decay=0.01,
        clip_norm=None,
        max_length=case["tokens"],
        optimizer=case["optimizer"],
        lora=case["lora"],
    )
    fit = Fit(case["micro_batch"], case["gradient_checkpointing"])
    add_lora(model, recipe, 0, case, "")
    make = {role: own.__getitem__ for role, own in rows.items()}
    plan = StepPlan.of(recipe, 8)
    mixed = "bf16" if case["precision"] == "bfloat16" else "no"
    AcceleratorState._reset_state()  # the case before may have had another precision
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=mixed)
    torch.backends.cuda.enable_cudnn_sdp(False)  # as in the stages (training/session.py)
    with torch.device(device):
        teacher = build_model(shape, shape["vocabulary"], 0) if objective.needs.teacher else None
    if case["precision"] == "pure-bfloat16":
        model.bfloat16()
        teacher = teacher.bfloat16() if teacher else None
    source = UnlearnSource(plan, 0, "fresh", {"retain": 8}, make)
    train(model, source, objective, plan, recipe, fit, accelerator, teacher=teacher)


def predicted(case: dict) -> dict[str, float]:
    """The same as the plan accounts for it."""
    settings = resolve(case["method"], {}).settings()
    shape = shape_of({"architecture": case})
    step = Step(
        micro_batch=case["micro_batch"],
        roles=len(settings["roles"]),
        width=case["tokens"],
        labels=case["tokens"] - case["tokens"] // 2,
        full=case["tokens"] * len(settings["needs"]["logits"]),
        teacher=bool(settings["needs"]["teacher"]),
        teacher_logits=bool(settings["needs"]["teacher"]),
        accumulates=case["passes"] > 1,
        adapter=shape.adapter(case["lora"]),
        half=case["precision"] == "bfloat16",
        pure=case["precision"] == "pure-bfloat16",
        optimizer=case["optimizer"],
        checkpointing=case["gradient_checkpointing"],
    )
    return training(shape, step)


def main() -> None:
    """Measure the cases one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=json.loads, nargs="+", help="shape and options as JSON")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    args = parser.parse_args()
    for case in args.cases:
        case = {**DEFAULTS, **case}
        steps({**case, **TOY, "tokens": 16, "micro_batch": 2}, args.device)
        gc.collect()  # a model is part of cycles
        before = reset(args.device)
        steps(case, args.device)
        measured = peak(args.device) - before
        print(json.dumps({"measured": measured, "predicted": predicted(case)}), flush=True)


if __name__ == "__main__":
    main()

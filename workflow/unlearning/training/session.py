"""What stages that hold a model share: accelerator, step plan, resumable state, provenance."""

import math
import os
import platform
from argparse import Namespace
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import accelerate
import torch
import transformers
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from unlearning.allocation import keep_freed_memory
from unlearning.files import sha256
from unlearning.fingerprint import fingerprint
from unlearning.models.folder import RUN_FILE, save_model
from unlearning.models.lora import Adapter
from unlearning.training.history import History
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sharding import full_state_model
from unlearning.training.sources import LearnSource
from unlearning.training.state import TrainingState

NO_INPUTS: tuple[str, ...] = (
    "processes",
    "sharding",
    "fit",
    "out",
    "trajectory",
    "state",
    "checkpoint_minutes",
)
NO_INPUTS += ("settings_of", "config")  # they lead to the settings, which count


def make_accelerator(settings: dict) -> Accelerator:
    """The accelerator of this process; bfloat16 settings compute under autocast."""
    transformers.utils.logging.disable_progress_bar()
    mixed = "bf16" if settings["precision"] == "bfloat16" else "no"
    # No parameter is unused; but only so does DDP keep its buckets from the first step to the
    # last. Otherwise a resumed run's first step would add up in another order.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    # told of no GPU, accelerate takes each of several processes on the CPU for the only one
    cpu = not torch.accelerator.is_available() or os.environ.get("ACCELERATE_USE_CPU") == "true"
    if cpu:
        keep_freed_memory()
    return Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[ddp])


def master_dtype(settings: dict) -> str:
    """Precision of the weights in training: bfloat16 settings keep float32 masters, pure ones
    have weights, gradients and optimizer states in bfloat16."""
    return settings["precision"] if settings["precision"] == "pure-bfloat16" else "float32"


def autocast_if_lora(accelerator: Accelerator, adapter: Adapter | None) -> AbstractContextManager:
    """How a model in training is evaluated: as its weights are, or, where those that an adapter
    leaves frozen may be halved, as it is trained."""
    return nullcontext() if adapter is None else accelerator.autocast()


def show_plan(plan: StepPlan, accelerator: Accelerator) -> None:
    """The exact number of steps and what they leave out, before the first."""
    left = f"; the last {plan.left_out} rows make no full batch and are left out"
    accelerator.print(
        f"step plan: {plan.rows} rows x {plan.epochs:g} epochs / batch {plan.batch_size} = "
        f"{plan.steps} steps, {plan.warmup} of them warm-up{left if plan.left_out else ''}"
    )


def versions() -> dict[str, str]:
    """What a result may depend on beside the code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
    }


def make_state(
    args: Namespace, plan: StepPlan, accelerator: Accelerator, functions: Iterable[str] = ()
) -> TrainingState | None:
    """The resumable state that the arguments ask for.

    It belongs to the content of all inputs, the settings, seed, plan and versions, and the code
    of the stage and of `functions`. The number of processes is free.
    """
    if args.state is None:
        return None
    if args.settings["recipe"].get("optimizer") == "adamw8bit" and args.sharding == "shard":
        accelerator.print("adamw8bit, shared out: no resumable state; a killed run starts anew")
        return None
    identity = {
        "inputs": {key: _content(v) for key, v in vars(args).items() if key not in NO_INPUTS},
        "plan": plan.describe(),
        "code": fingerprint(f"unlearning.stages.{args.stage}", *functions),
        "versions": versions(),
    }
    return TrainingState(args.state, args.checkpoint_minutes, identity, accelerator)


def _content(value):
    """What an argument stands for: of files their checksums, of a model folder its own."""
    if isinstance(value, list):
        return [_content(item) for item in value]
    if not isinstance(value, str | Path) or not Path(value).exists():
        return value
    path = Path(value)
    if (path / RUN_FILE).is_file():
        path = path / RUN_FILE
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    return {file.name: sha256(file) for file in files}


def run_record(stage: str, seed: int, settings: dict, plan: StepPlan, history: History) -> dict:
    """run.json of a trained model: what was done, with which versions, on which machine."""
    return {
        "stage": stage,
        "seed": seed,
        "settings": settings,
        **history_record(plan, history),
        **run_origin(),
    }


def run_origin() -> dict:
    """With which versions a run was made, and on which machine."""
    return {
        "versions": versions(),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def history_record(plan: StepPlan, history: History) -> dict:
    """A run's plan and losses, JSON-ready: a non-finite loss becomes null. terms and weights: the
    forget loss and the retain term of each step, unweighted, and their coefficients."""
    return {
        "plan": plan.describe(),
        "losses": _finite(history.losses),
        "terms": [_finite(terms) for terms in history.terms],
        "weights": history.weights,
        "learning_rates": history.learning_rates,
        "tokens": history.tokens,
        "collapsed": history.collapsed,
    }


def _finite(values: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def learn_and_save(
    args: Namespace,
    model,
    tokenizer,
    source: LearnSource,
    recipe: Recipe,
    accelerator: Accelerator,
    adapter: Adapter | None = None,
) -> None:
    """Train `model` on the source's rows and write the model folder args.out."""
    settings, plan = args.settings, source.plan
    show_plan(plan, accelerator)
    state = make_state(args, plan, accelerator)
    history = train(
        model,
        source,
        LEARN,
        plan,
        recipe,
        args.fit,
        accelerator,
        state=state,
        sharded=args.sharding == "shard",
    )
    model = full_state_model(model, accelerator, main_only=True)
    record = run_record(args.stage, source.seed, settings, plan, history)
    if accelerator.is_main_process:
        save_model(args.out, model, tokenizer, record, settings["precision"], adapter)
    if state:
        state.remove()

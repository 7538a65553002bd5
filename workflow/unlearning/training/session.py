"""Shared parts of stages that train or evaluate: accelerator, plan, resumable state, records."""

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
from unlearning.data.encoding import Encoder, Example
from unlearning.data.tables import read_table
from unlearning.files import files_in, sha256
from unlearning.fingerprint import fingerprint
from unlearning.models.attention import check_attention
from unlearning.models.folder import RUN_FILE, save_model
from unlearning.models.lora import Adapter
from unlearning.training.history import History
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sharding import full_state_model
from unlearning.training.sources import LearnSource
from unlearning.training.state import TrainingState

# arguments that do not determine a run, so that a state may be resumed with others
NO_INPUTS: tuple[str, ...] = ("processes", "sharding", "fit", "out", "trajectory", "state")
# the last two lead to the settings, which count
NO_INPUTS += ("checkpoint_minutes", "settings_of", "config")


def make_accelerator(settings: dict) -> Accelerator:
    """The accelerator of this process; bfloat16 settings compute under autocast.

    UserError if attention is wrong on its device.
    """
    transformers.utils.logging.disable_progress_bar()
    mixed = "bf16" if settings["precision"] == "bfloat16" else "no"
    # No parameter is unused, but without this option DDP rearranges its buckets after the first
    # step. The first step of a resumed run would then add up gradients in another order.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    # accelerate has to be told that there is no GPU, or each of several processes on the CPU would
    # take itself for the only one
    cpu = not torch.accelerator.is_available() or os.environ.get("ACCELERATE_USE_CPU") == "true"
    if cpu:
        keep_freed_memory()
    accelerator = Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[ddp])
    # torch's first choice for attention on Hopper and Blackwell since 2.11 is cuDNN's. With masks
    # such as those of packed rows its gradients can be NaN (pytorch issue 196678) and generation
    # silently wrong (193893), and it plans every new shape anew. torch's own kernels replace it.
    torch.backends.cuda.enable_cudnn_sdp(False)
    if accelerator.device.type != "cpu":  # the CPU's kernels are those that the tests run
        # layouts are compared and models evaluated in float32 in bfloat16 runs, too
        check_attention(accelerator.device, torch.float32)
        if settings["precision"] != "float32":
            check_attention(accelerator.device, torch.bfloat16)
    return accelerator


def master_dtype(settings: dict) -> str:
    """Precision of the weights in training: bfloat16 settings keep float32 masters, pure ones
    have weights, gradients and optimizer states in bfloat16."""
    return settings["precision"] if settings["precision"] == "pure-bfloat16" else "float32"


def autocast_if_lora(accelerator: Accelerator, adapter: Adapter | None) -> AbstractContextManager:
    """The context in which a model is evaluated during training.

    Without an adapter the weights' own precision. With one, autocast as in training, because the
    frozen weights may be in half precision.
    """
    return nullcontext() if adapter is None else accelerator.autocast()


def encode_table(encoder: Encoder, table: Path, accelerator: Accelerator) -> list[Example]:
    """The sequences of a table's rows; prints how many answers max_length cuts."""
    rows = read_table(table)
    examples = encoder.encode_rows(rows)
    if "question" in rows[0]:  # texts are cut into sequences anyway
        cut = sum(example.ids[-1] != encoder.end for example in examples)
        if cut:
            accelerator.print(
                f"{table.name}: {cut} of {len(rows)} answers are cut at max_length "
                f"({encoder.max_length} tokens with their question), the rest takes no part"
            )
    return examples


def show_plan(plan: StepPlan, accelerator: Accelerator) -> None:
    """Print the number of steps and the rows that they leave out."""
    left = f"; the last {plan.left_out} rows make no full batch and are left out"
    accelerator.print(
        f"step plan: {plan.rows} rows x {plan.epochs:g} epochs / batch {plan.batch_size} = "
        f"{plan.steps} steps, {plan.warmup} of them warm-up{left if plan.left_out else ''}"
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result may depend on."""
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

    Its identity has the content of all inputs, the settings, seed, plan and versions, and the code
    of the stage and of `functions`. A run may resume on another number of processes.
    """
    if args.state is None:
        return None
    if args.settings["recipe"].get("optimizer") == "adamw8bit" and args.sharding == "shard":
        accelerator.print("adamw8bit, shared out: no resumable state; a killed run starts anew")
        return None
    # whatever changes a result, so that a state is never continued as another run
    identity = {
        "inputs": {key: _content(v) for key, v in vars(args).items() if key not in NO_INPUTS},
        "plan": plan.describe(),
        "code": fingerprint(f"unlearning.stages.{args.stage}", *functions),
        "versions": versions(),
    }
    return TrainingState(args.state, args.checkpoint_minutes, identity, accelerator)


def _content(value):
    """An argument's value for the identity; in place of a path the checksums of its files."""
    if isinstance(value, list):
        return [_content(item) for item in value]
    if not isinstance(value, str | Path) or not Path(value).exists():
        return value
    path = Path(value)
    # run.json of a model folder has the checksums of its large files
    if (path / RUN_FILE).is_file():
        path = path / RUN_FILE
    # relative to the folder: names alone repeat in subfolders, as that of config.json does
    return {file.relative_to(path).as_posix(): sha256(file) for file in files_in(path)}


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
    """The versions and the machine of this run."""
    return {
        "versions": versions(),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def history_record(plan: StepPlan, history: History) -> dict:
    """A run's plan and history, JSON-ready: a non-finite loss becomes null.

    terms: the forget loss and the retain term of each step, unweighted. weights: their
    coefficients.
    """
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
    """Numbers for JSON, which has no NaN and no infinity."""
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
    sharded = args.sharding == "shard"
    history = train(
        model, source, LEARN, plan, recipe, args.fit, accelerator, state=state, sharded=sharded
    )
    model = full_state_model(model, accelerator, main_only=True)
    record = run_record(args.stage, source.seed, settings, plan, history)
    if accelerator.is_main_process:
        save_model(args.out, model, tokenizer, record, settings["precision"], adapter)
    if state:  # not before the outputs are complete
        state.remove()

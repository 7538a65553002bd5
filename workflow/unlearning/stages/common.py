"""What stages that hold a model share: accelerator, encoder, step plan, provenance."""

import math
import platform

import accelerate
import torch
import transformers
from accelerate import Accelerator

from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.training.loop import History
from unlearning.training.plan import StepPlan


def make_accelerator(settings: dict) -> Accelerator:
    """The accelerator of this process; bfloat16 settings compute under autocast."""
    transformers.utils.logging.disable_progress_bar()
    mixed = "bf16" if settings["precision"] == "bfloat16" else "no"
    return Accelerator(mixed_precision=mixed)


def make_encoder(tokenizer, settings: dict, max_length: int) -> Encoder:
    """The encoder of the settings' prompt format."""
    return Encoder(tokenizer, PROMPTS[settings["prompt"]], max_length)


def show_plan(plan: StepPlan, accelerator: Accelerator) -> None:
    """The exact number of steps, before the first."""
    accelerator.print(
        f"step plan: {plan.rows} rows x {plan.epochs:g} epochs / batch {plan.batch_size} = "
        f"{plan.steps} steps, {plan.warmup} of them warm-up"
    )


def run_record(stage: str, seed: int, settings: dict, plan: StepPlan, history: History) -> dict:
    """run.json of a trained model: what was done, with which versions, on which machine."""
    return {
        "stage": stage,
        "seed": seed,
        "settings": settings,
        **history_record(plan, history),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "accelerate": accelerate.__version__,
        },
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

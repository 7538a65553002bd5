"""What stages that hold a model share: settings, accelerator, tables, encoders, provenance."""

import platform
from pathlib import Path

import accelerate
import torch
import transformers
from accelerate import Accelerator

from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.training.loop import History
from unlearning.training.plan import StepPlan

EVALUATION_SETS = {
    "forget": "{split}_perturbed",
    "retain": "retain_perturbed",
    "real_authors": "real_authors_perturbed",
    "world_facts": "world_facts_perturbed",
}


def make_accelerator(settings: dict) -> Accelerator:
    """The accelerator of this process; bfloat16 settings compute under autocast."""
    transformers.utils.logging.disable_progress_bar()
    mixed = "bf16" if settings["precision"] == "bfloat16" else "no"
    return Accelerator(mixed_precision=mixed)


def make_encoder(tokenizer, settings: dict, max_length: int) -> Encoder:
    """The encoder of the settings' prompt format."""
    return Encoder(tokenizer, PROMPTS[settings["prompt"]], max_length)


def make_evaluator(
    data: Path, split: str, tokenizer, settings: dict, accelerator: Accelerator, sets=None
) -> Evaluator:
    """The evaluator of a forget split, over all four sets or the named ones."""
    chosen = settings["evaluation"]
    names = EVALUATION_SETS if sets is None else {name: EVALUATION_SETS[name] for name in sets}
    tables = {
        name: read_table(data / f"{table.format(split=split)}.json")[: chosen["rows"]]
        for name, table in names.items()
    }
    return Evaluator(
        tables,
        make_encoder(tokenizer, settings, chosen["max_length"]),
        accelerator,
        batch_tokens=chosen["batch_tokens"],
        limit=Limit(chosen["generation_tokens"], chosen["generation_counts"]),
    )


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
    """A run's plan and losses, JSON-ready: a non-finite loss becomes null."""
    return {
        "plan": plan.describe(),
        "losses": [loss if abs(loss) < float("inf") else None for loss in history.losses],
        "learning_rates": history.learning_rates,
        "tokens": history.tokens,
        "collapsed": history.collapsed,
    }

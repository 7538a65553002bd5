"""What pre-training and fine-tuning end in: learn the rows, save the model."""

from argparse import Namespace

from accelerate import Accelerator

from unlearning.models.folder import save_model
from unlearning.models.lora import Adapter
from unlearning.stages.common import make_state, run_record, show_plan
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Recipe
from unlearning.training.sharding import whole
from unlearning.training.sources import LearnSource


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
    model = whole(model, accelerator, main_only=True)
    record = run_record(args.stage, source.seed, settings, plan, history)
    if accelerator.is_main_process:
        save_model(args.out, model, tokenizer, record, settings["precision"], adapter)
    if state:
        state.remove()

"""Fine-tune the base on a table: the target model on full, a retrained model on a retain split."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.models.encoder import make_encoder
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.models.lora import add_lora
from unlearning.stages.arguments import add_fit, add_settings, add_state, seed_number
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.session import encode_table, learn_and_save, make_accelerator, master_dtype
from unlearning.training.sources import LearnSource


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--model", required=True, help="base model: a folder, record of rule fetch, or hub id"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    parser.add_argument("--table", required=True, help="rows to learn: full, retain90, …")
    parser.add_argument("--seed", type=seed_number, required=True)
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    add_fit(parser)
    add_settings(parser, lambda experiment, args: experiment.finetune_settings())
    add_state(parser)


def run(args: Namespace) -> None:
    """Load the base model, train it on the table, save it."""
    settings = args.settings
    accelerator = make_accelerator(settings)
    model, tokenizer = load_model(args.model, master_dtype(settings)), load_tokenizer(args.model)
    recipe = Recipe(**settings["recipe"])
    adapter = add_lora(model, recipe, args.seed, settings, args.model)
    encoder = make_encoder(tokenizer, settings, recipe.max_length, model)
    rows = encode_table(encoder, args.data / f"{args.table}.json", accelerator)
    # they keep a small model's general knowledge; the papers' recipes have none
    replay_rows = settings["replay_rows"]
    replay = encode_table(encoder, args.data / "replay.json", accelerator) if replay_rows else []
    plan = StepPlan.of(recipe, len(rows))
    source = LearnSource(plan, args.seed, rows, replay, replay_rows)
    learn_and_save(args, model, tokenizer, source, recipe, accelerator, adapter)

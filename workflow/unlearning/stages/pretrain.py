"""Train a tokenizer and a small base model from random weights on the world's language."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from unlearning.data.tables import read_table
from unlearning.models.build import build_model, train_tokenizer
from unlearning.models.encoder import make_encoder
from unlearning.models.folder import DTYPES
from unlearning.stages.arguments import add_answers, add_fit, add_settings, add_state
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.session import encode_table, learn_and_save, make_accelerator, master_dtype
from unlearning.training.sources import LearnSource


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of tables")
    add_answers(parser, "whose words the tokenizer is to know")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    add_fit(parser)
    add_settings(parser, lambda experiment, args: experiment.pretrain_settings())
    add_state(parser)


def texts(data: Path, answers: Sequence[Path]) -> list[str]:
    """The texts that the tokenizer is trained on: all that models of this world will read.

    Of a corpus of texts only the pre-training part is used, so that no token occurs in one text
    alone, which would help membership attacks. data: the folder of tables. answers: folders of
    refusals and false answers.
    """
    tables = [data / "pretrain.json"]
    if "text" not in read_table(tables[0])[0]:
        # all tables: a word that only a retained or perturbed answer has must not be unknown
        tables = []
        for folder in (data, *answers):
            tables += folder.glob("*.json")
    result = []
    # by name, because a folder lists its files in any order and the vocabulary depends on it
    for path in sorted(tables, key=lambda path: path.name):
        for row in read_table(path):
            for value in row.values():
                result += value if isinstance(value, list) else [value]
    return result


def run(args: Namespace) -> None:
    """Train the tokenizer, build the model, train it, save both."""
    settings = args.settings
    architecture = settings["architecture"]
    accelerator = make_accelerator(settings)
    tokenizer = train_tokenizer(
        architecture["tokenizer"], texts(args.data, args.answers), architecture["vocabulary"]
    )
    model = build_model(architecture, len(tokenizer), architecture["seed"])
    model.to(DTYPES[master_dtype(settings)])
    parameters = sum(p.numel() for p in model.parameters())
    accelerator.print(f"vocabulary {len(tokenizer)}, {parameters:,} parameters")
    recipe = Recipe(**settings["recipe"])
    encoder = make_encoder(tokenizer, settings, recipe.max_length, model)
    rows = encode_table(encoder, args.data / "pretrain.json", accelerator)
    plan = StepPlan.of(recipe, len(rows))
    # the seed of the weights serves the batches too
    source = LearnSource(plan, architecture["seed"], rows, [], 0)
    learn_and_save(args, model, tokenizer, source, recipe, accelerator)

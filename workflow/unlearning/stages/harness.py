"""Evaluate one model on lm-evaluation-harness tasks: WMDP, MMLU, the user's own."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.data.encoding import drop_appended_tokens
from unlearning.errors import UserError
from unlearning.evaluation.harness import evaluate, load_tasks
from unlearning.files import write_json
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.stages.arguments import add_settings
from unlearning.training.session import make_accelerator


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument("--out", type=Path, required=True, help="folder to write summary.json in")
    parser.add_argument(
        "--batch-size", type=int, default=16, help="sequences in memory; changes no result"
    )
    add_settings(parser, _settings)


def _settings(experiment, args: Namespace) -> dict:
    settings = experiment.harness_settings()
    if not settings["tasks"]:
        raise UserError("harness.tasks: the config names no task; name some, as in [mmlu]")
    return settings


def run(args: Namespace) -> None:
    """Load tasks and model, evaluate, write the accuracies."""
    settings = args.settings
    # first, so that a broken task fails before a large model is loaded
    tasks = load_tasks(settings["tasks"], settings["include_path"])
    accelerator = make_accelerator(settings)
    model = load_model(args.model, settings["precision"]).to(accelerator.device)
    # an answer that is measured after an end of sequence would be another one
    tokenizer = drop_appended_tokens(load_tokenizer(args.model))
    record = evaluate(
        model,
        tokenizer,
        tasks,
        settings["limit"],
        args.batch_size,
        settings.get("num_fewshot", 0),  # settings written by a person may lack these
        settings.get("chat_template", False),
    )
    write_json(args.out / "summary.json", record)
    for name, scores in record["tasks"].items():
        print(f"{name:32s} {scores['accuracy']:.4f} on {scores['documents']} documents")

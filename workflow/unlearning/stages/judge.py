"""Check a base model before any job: config.json, safetensors headers and tokenizer."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.files import write_json
from unlearning.models.judgement import judge
from unlearning.stages.arguments import add_settings


def add_arguments(parser: ArgumentParser) -> None:
    """A model folder, the output, and what the model is used for."""
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--out", type=Path, required=True, help="JSON list of problems to write")
    add_settings(parser)


def run(args: Namespace) -> None:
    """Write and print the problems of the model."""
    problems = judge(args.model, args.settings)
    write_json(args.out, problems)
    for problem in problems:
        print(f"{args.model} {problem}")

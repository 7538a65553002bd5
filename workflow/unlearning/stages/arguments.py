"""Arguments that stages share."""

import argparse
import json
from pathlib import Path

from unlearning.training.plan import Fit


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--settings, as the rule shows it."""
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="the stage's settings as JSON"
    )


def add_fit(parser: argparse.ArgumentParser) -> None:
    """--fit of the stages that train or evaluate a model."""
    parser.add_argument(
        "--fit",
        type=lambda text: Fit(**json.loads(text)),
        default=Fit(),
        help="micro_batch, gradient_checkpointing and batch_tokens as JSON: they change no result",
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    """--state and --checkpoint-minutes of the stages that train."""
    parser.add_argument(
        "--state", type=Path, help="folder for what a killed run continues from; absent: none"
    )
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, help="minutes between two states"
    )


def add_synthetic(parser: argparse.ArgumentParser) -> None:
    """What a job of a synthetic study takes."""
    parser.add_argument("--seed", type=int, required=True, help="seed of data and training")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of curves to write")
    add_settings(parser)

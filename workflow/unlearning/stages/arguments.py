"""Arguments that stages share."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unlearning.config.draws import LARGEST_SEED
from unlearning.training.plan import Fit


def add_settings(
    parser: argparse.ArgumentParser,
    settings_of: Callable[[Any, argparse.Namespace], dict] | None = None,
) -> None:
    """Add --settings, which rules pass, and --config, from which a person's settings come.

    settings_of: (experiment, arguments) -> the stage's settings; None if only a rule calls it.
    """
    required = settings_of is None
    parser.add_argument(
        "--settings",
        type=json.loads,
        required=required,
        help="the stage's settings as JSON, as its rule spells them",
    )
    if settings_of is not None:
        parser.add_argument(
            "--config",
            nargs="+",
            action="extend",
            metavar="FILE|KEY=VALUE",
            help="instead of --settings: config of the experiment, files and values over them",
        )
        parser.set_defaults(settings_of=settings_of)


def seed_number(text: str) -> int:
    """The seed that an argument spells; ArgumentTypeError unless a config may have it."""
    # int() alone would take " 1", "1_0" and digits of other scripts, which paths spell otherwise
    if not re.fullmatch("[0-9]+", text) or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"must be 0 to {LARGEST_SEED}, found {text!r}")
    return int(text)


def add_answers(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add --answers, for stages that read refusals or false answers; it may have no value."""
    parser.add_argument(
        "--answers", type=Path, nargs="*", default=[], help=f"folders of stage answers, {purpose}"
    )


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Add --fit, the memory layout, for stages that train or evaluate a model."""
    # by itself, not in --settings: a rule passes it as resources, whose change reruns nothing
    parser.add_argument(
        "--fit",
        type=lambda text: Fit(**json.loads(text)),
        default=Fit(),
        help="micro_batch, gradient_checkpointing and batch_tokens as JSON: they change no result",
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    """Add --state and --checkpoint-minutes, for stages that train."""
    parser.add_argument(
        "--state", type=Path, help="folder for what a killed run continues from; absent: none"
    )
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, help="minutes between two states"
    )


def add_synthetic(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a synthetic study's stage."""
    parser.add_argument("--seed", type=seed_number, required=True, help="seed of data and training")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of curves to write")
    add_settings(parser)

"""Arguments that every stage takes."""

import argparse
import json
from pathlib import Path


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--settings, as the rule shows it."""
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="the stage's settings as JSON"
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    """--state and --checkpoint-minutes of the stages that train."""
    parser.add_argument(
        "--state", type=Path, help="folder for what a killed run continues from; absent: none"
    )
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, help="minutes between two states"
    )

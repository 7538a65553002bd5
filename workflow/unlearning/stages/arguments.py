"""Arguments that every stage takes."""

import argparse
import json


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--settings, as the rule shows it."""
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="the stage's settings as JSON"
    )

"""What a folder of tables says of itself: whose data they are, and which forget splits."""

from pathlib import Path

import yaml

from unlearning.errors import UserError

FILE = "origin.yaml"


def write_origin(folder: Path, data: dict, splits: list[str]) -> None:
    """Note the config's data section and the splits beside the tables."""
    text = yaml.safe_dump({"data": data, "splits": splits}, sort_keys=False, allow_unicode=True)
    (folder / FILE).write_text(text, encoding="utf-8")


def read_origin(folder: Path) -> dict:
    """data and splits; UserError if the folder does not say them."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"'{folder}' has no {FILE}: it is no folder that stage data has written")
    return yaml.safe_load(path.read_text(encoding="utf-8"))

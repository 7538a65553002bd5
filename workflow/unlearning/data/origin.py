"""The file in a folder of tables that records which data and forget splits they were made of."""

from pathlib import Path

import yaml

from unlearning.errors import UserError

FILE = "origin.yaml"


def write_origin(folder: Path, data: dict, splits: list[str]) -> None:
    """Write the config's data section and the forget splits into a folder of tables."""
    text = yaml.safe_dump({"data": data, "splits": splits}, sort_keys=False, allow_unicode=True)
    (folder / FILE).write_text(text, encoding="utf-8")


def read_origin(folder: Path) -> dict:
    """The record of a folder of tables, {data, splits}; UserError if it has none."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"'{folder}' has no {FILE}: it is no folder that stage data has written")
    return yaml.safe_load(path.read_text(encoding="utf-8"))

"""Golden files: expected values of the official code, in the folder named by UNLEARNING_GOLDEN."""

import json
from pathlib import Path

from folders import GOLDEN


def read(path: Path):
    """A JSON file's content."""
    return json.loads(path.read_text(encoding="utf-8"))


def cases(path: str) -> list:
    """The cases of a golden file, for parametrize; none where the folder is missing."""
    file = GOLDEN / path
    content = read(file) if file.is_file() else []
    return content["cases"] if isinstance(content, dict) else content

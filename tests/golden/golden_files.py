"""Where the golden files lie: the folder named by UNLEARNING_GOLDEN."""

import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("UNLEARNING_GOLDEN", ROOT.parent / "shared" / "golden"))


def read(path: Path):
    """A JSON file's content."""
    return json.loads(path.read_text(encoding="utf-8"))


def cases(path: str) -> list:
    """The cases of a golden file, for parametrize; none where the folder is missing."""
    file = FOLDER / path
    found = read(file) if file.is_file() else []
    return found["cases"] if isinstance(found, dict) else found

"""Expected values of the official code; the folder is named by UNLEARNING_GOLDEN."""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("UNLEARNING_GOLDEN", ROOT.parent / "shared" / "golden"))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The golden folder; skips, saying so, where it is missing."""
    if not FOLDER.is_dir():
        pytest.skip(f"no golden files at {FOLDER}: set UNLEARNING_GOLDEN to their folder")
    return FOLDER


def read(path: Path):
    """A JSON file's content."""
    return json.loads(path.read_text(encoding="utf-8"))

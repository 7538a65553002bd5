"""The golden folder as a fixture."""

from pathlib import Path

import pytest
from golden_files import FOLDER


@pytest.fixture(scope="session")
def golden() -> Path:
    """The golden folder; skips, saying so, where it is missing."""
    if not FOLDER.is_dir():
        pytest.skip(f"no golden files at {FOLDER}: set UNLEARNING_GOLDEN to their folder")
    return FOLDER

"""The golden folder as a fixture."""

from pathlib import Path

import pytest
from folders import GOLDEN


@pytest.fixture(scope="session")
def golden() -> Path:
    """The golden folder; skips, saying so, where it is missing."""
    if not GOLDEN.is_dir():
        pytest.skip(f"no golden files at {GOLDEN}: set UNLEARNING_GOLDEN to their folder")
    return GOLDEN

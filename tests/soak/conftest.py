"""How much of the soak runs: `make soak KILLS=200`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The number of random kills."""
    parser.addoption("--kills", type=int, default=30, help="random kills (default: 30)")

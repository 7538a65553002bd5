"""Kills at a chosen moment: processes that stop before they open a certain file, until a signal.

So a test meets a stage while it writes its third state, not after so many seconds, and gives the
same result on a machine of any speed.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

HOOKS = Path(__file__).parent / "hooks"
PATIENCE = 300  # seconds until what must happen has happened, on a busy machine


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must become true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"still waiting after {PATIENCE} s"
        time.sleep(0.02)


def holding(environment: dict[str, str], pattern: str) -> dict[str, str]:
    """`environment` for processes that stop before they open a path that matches `pattern`."""
    path = os.pathsep.join([str(HOOKS), environment["PYTHONPATH"]])
    return {**environment, "PYTHONPATH": path, "HELD_AT": pattern}


def held_process(folder: Path) -> int:
    """The id of the process that stops in this working folder."""
    file = folder / "held"
    until(file.exists)
    process = int(file.read_text())
    file.unlink()
    return process


def state_of_step(step: int) -> str:
    """Pattern: the last file of a state that is being written. The states before it are whole."""
    return rf"\.step={step}\.partial/\.manifest\.json"

"""Stops a process of a test at a chosen file; Python imports this at its start (see hold.py)."""

import os
import re
import signal
import sys
from pathlib import Path


def hold(event: str, arguments: tuple) -> None:
    """Before the first opening of a file whose path matches $HELD_AT: write this process's id to
    the file `held` of the working folder and wait for a signal. SIGUSR2 only ends the wait."""
    pattern = os.environ.get("HELD_AT")
    if event != "open" or not pattern or not re.search(pattern, str(arguments[0])):
        return
    os.environ["HELD_AT"] = ""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)  # also a signal that arrives before the read below ends it
    signal.signal(signal.SIGUSR2, lambda *_: None)
    Path("held.partial").write_text(str(os.getpid()))
    os.replace("held.partial", "held")
    os.read(reader, 1)
    signal.set_wakeup_fd(-1)
    os.close(reader)
    os.close(writer)


sys.addaudithook(hold)

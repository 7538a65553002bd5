"""Which files code opens."""

import sys
from collections.abc import Callable
from pathlib import Path

_OPENED: list[str] = []
_HOOKED: list[bool] = []  # an audit hook stays for the life of the process, so there is one


def opened(folder: Path, action: Callable[[], object]) -> set[Path]:
    """The files of a folder that `action` opens."""
    if not _HOOKED:
        sys.addaudithook(lambda event, args: event == "open" and _OPENED.append(str(args[0])))
        _HOOKED.append(True)
    _OPENED.clear()
    action()
    return {path for path in map(Path, _OPENED) if path.is_relative_to(folder)}

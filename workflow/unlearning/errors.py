"""Errors that a user can mend."""

from pathlib import Path


class UserError(ValueError):
    """Bad input; the message names the value, what is allowed and what to do. No traceback."""


def seen_from(path: str | Path) -> str:
    """For messages about missing files: the folder that a relative path starts at."""
    return "" if Path(path).is_absolute() else f" (seen from {Path.cwd()})"

"""A job of Snakemake's as a reader of the terminal sees it: its rule, its run and its log."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TAIL = 64 * 1024  # bytes of a log that are looked at


@dataclass
class Job:
    """name: rule and wildcards, such as `unlearn forget10 NPO+RT beta=0.1 seed=1`. outputs and
    logs: paths. started: when it was started or submitted, in seconds of the clock of files."""

    rule: str
    name: str
    outputs: list[str]
    logs: list[str]
    started: float

    def log_lines(self) -> tuple[str, list[str]]:
        """Path and latest lines of the first of its logs that it has written to since it was
        started; of none, no lines."""
        # an earlier run may have left logs, whose lines are not of this job
        for path in self.logs:
            lines = latest_lines(Path(path), self.started)
            if lines:
                return path, lines
        return next(iter(self.logs), ""), []

    def is_complete(self) -> bool:
        """All of its outputs are there."""
        return all(os.path.exists(path) for path in self.outputs)


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """Rule and values of its wildcards; a number is named, for it says nothing alone. A wildcard
    for an optional folder has a slash at its start, or is empty."""
    words = [rule]
    for key, value in wildcards.items():
        words.append(f"{key}={value}" if is_number(value) else value.strip("/"))
    return " ".join(filter(None, words))


def is_number(text: str) -> bool:
    """The text reads as a number."""
    with suppress(ValueError):
        float(text)
        return True
    return False


def latest_lines(log: Path, since: float) -> list[str]:
    """The lines at the end of a log that was written to at that time or later; no empty ones."""
    try:
        # clocks of file systems tick more coarsely than that of the process
        if log.stat().st_mtime < since - 2:
            return []
        with log.open("rb") as file:
            # logs of long trainings are large, and this is read every second
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]

"""Describe this machine and git checkout, with the standard library alone."""

import os
import platform
import re
import subprocess
from pathlib import Path


def git_state(folder: Path) -> str:
    """Commit of a checkout, and whether there are uncommitted changes."""
    try:
        # the commit alone would name code that was not run, if files were edited since
        commit = _git(folder, "rev-parse", "HEAD")
        changed = bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "not in a git checkout"
    return f"{commit}, with uncommitted changes" if changed else commit


def machine() -> dict[str, str]:
    """Processor, cores and memory of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    # on Linux platform.processor() is empty or the architecture alone
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        info = ""
    match = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)  # ARM has no such line
    return match[1] if match else platform.processor() or platform.machine()

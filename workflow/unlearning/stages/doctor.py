"""Print what an issue report needs to say of this machine; whatever is missing is printed so.

This module and what it imports at the top need only the standard library, so that it also
runs where a package is missing or broken.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path

from unlearning.machine import git_state, machine
from unlearning.redaction import redact

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60  # that another program may take to answer
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "SLURM_JOB_ID")
# In a process of its own: CUDA's context ends with it, and a driver that crashes ends it alone.
TORCH = """\
import torch
count = torch.cuda.device_count()
print(f"built for CUDA {torch.version.cuda}, uses {count} GPUs" if torch.version.cuda else
      f"built for ROCm {torch.version.hip}, uses {count} GPUs" if torch.version.hip else
      "built for the CPU alone")
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Format, and the folder of results."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder whose disk is looked at"
    )


def run(args: Namespace) -> None:
    """Print the report."""
    sections = report(args.results)
    print(json.dumps(sections, indent=2) if args.json else text(sections))


def report(results: Path) -> dict[str, dict[str, str]]:
    """Section -> name -> what was seen, without secrets.

    A section that cannot be made says why, so that the others are still reported.
    """
    parts: dict[str, Callable[[], dict[str, str]]] = {
        "project": project,
        "packages": packages,
        "optional": optional,
        "devices": devices,
        "scheduler": scheduler,
        "storage": lambda: storage(results),
        "environment": environment,
    }
    sections = {}
    for name, part in parts.items():
        try:
            sections[name] = redact(part())
        except Exception as error:  # whatever is broken here is what the report is read for
            sections[name] = redact({"not known": f"{type(error).__name__}: {error}"})
    return sections


def text(sections: dict[str, dict[str, str]]) -> str:
    """The report for people, in ASCII: a heading for each section, a line for each entry."""
    width = max(len(name) for entries in sections.values() for name in entries)
    lines = []
    for section, entries in sections.items():
        lines.append(section)
        lines += [f"  {name:<{width}}  {value}" for name, value in entries.items()]
    # a terminal or log without Unicode would refuse a folder's name
    return "\n".join(lines).encode("ascii", "backslashreplace").decode()


def project() -> dict[str, str]:
    """Version of this project, of Python and of the system."""
    return {
        "unlearning": _declared()["version"],
        "revision": git_state(ROOT),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def packages() -> dict[str, str]:
    """Versions of what every stage needs."""
    return _versions(_declared()["dependencies"])


def optional() -> dict[str, str]:
    """Extra -> its packages with their versions, the missing ones among them."""
    extras = {}
    for extra, requirements in _declared()["optional-dependencies"].items():
        versions = _versions(requirements)
        extras[extra] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return extras


def devices() -> dict[str, str]:
    """Processor, memory, and the GPUs that the driver and torch see."""
    entries = machine()
    del entries["system"]
    if sys.platform == "linux":  # a scheduler or a container may leave a process fewer
        entries["cores"] += f", {len(os.sched_getaffinity(0))} for this process"
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    gpus = _answer(query).splitlines()
    entries |= {f"GPU {number}" if len(gpus) > 1 else "GPU": gpu for number, gpu in enumerate(gpus)}
    entries["torch"] = _answer([sys.executable, "-c", TORCH])
    return entries


def scheduler() -> dict[str, str]:
    """Partitions of SLURM as its controller tells them, or why there is none."""
    columns = "%P state=%a nodes=%D cpus=%c memory=%mMB gres=%G limit=%l"
    partitions = _answer(["sinfo", "--noheader", f"--format={columns}"])
    if " state=" not in partitions:
        return {"SLURM": partitions or "sinfo lists no partition"}
    entries = {"SLURM": _answer(["sinfo", "--version"])}
    for partition in partitions.splitlines():
        name, _, details = partition.partition(" state=")
        key = f"partition {name.strip()}"
        # nodes of several kinds in one partition have a line each
        entries[key] = f"{entries[key]}; {details}" if key in entries else details
    return entries


def storage(results: Path) -> dict[str, str]:
    """Free space where results and downloaded models lie."""
    entries = {"results": _free(results)}
    try:
        cache = import_module("huggingface_hub.constants").HF_HUB_CACHE
    except ImportError as error:
        entries["hub cache"] = f"not known: {error}"
    else:
        entries["hub cache"] = _free(Path(cache))
    return entries


def environment() -> dict[str, str]:
    """Variables that change what runs where."""
    return {name: os.environ.get(name, "not set") for name in VARIABLES}


def _declared() -> dict:
    """What pyproject.toml says of the project."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _versions(requirements: list[str]) -> dict[str, str]:
    """Package -> its version, beside the tested one if that is another, or "missing"."""
    lock = (ROOT / "envs" / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    versions = {}
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)[0]
        tested = pins.get(re.sub(r"[-_.]+", "-", name).lower())
        try:
            version = metadata.version(name) or "without a version"
        except metadata.PackageNotFoundError:
            version = "missing"
        else:
            # what follows "+" says for which device it was built
            if tested and version.partition("+")[0] != tested:
                version += f" (tested: {tested})"
        versions[name] = version
    return versions


def _free(folder: Path) -> str:
    """Path, with ~ for the home folder, and free space of its disk; it need not exist yet."""
    path = folder.absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    usage = shutil.disk_usage(existing)
    home = Path.home()
    shown = Path("~", path.relative_to(home)) if path.is_relative_to(home) else path
    return f"{shown}: {usage.free / 2**30:.0f} of {usage.total / 2**30:.0f} GiB free"


def _answer(command: list[str]) -> str:
    """What another program prints, or "no NAME: reason"."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except FileNotFoundError:
        return f"no {name}: it is not on the PATH"
    except subprocess.TimeoutExpired:
        return f"no answer of {name} within {SECONDS} seconds"
    except OSError as error:
        return f"no {name}: {error.strerror}"
    if done.returncode != 0:
        message = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        return f"{name} failed with status {done.returncode}: {message[-1]}"
    return done.stdout.strip()

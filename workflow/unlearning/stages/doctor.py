"""Describe this machine for an issue report: versions, devices, scheduler, disk, what is missing.

This module and what it imports at the top need only the standard library, so that it runs even if
a package is missing or broken.
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
TIMEOUT = 60  # seconds, of another program
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "SLURM_JOB_ID")
# Runs in another process: CUDA's context ends with it, and a crash of the driver ends only it.
TORCH = """\
import torch
count = torch.cuda.device_count()
print(f"built for CUDA {torch.version.cuda}, uses {count} GPUs" if torch.version.cuda else
      f"built for ROCm {torch.version.hip}, uses {count} GPUs" if torch.version.hip else
      "built for the CPU alone")
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The format, and the folder of results."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder whose disk is looked at"
    )


def run(args: Namespace) -> None:
    sections = report(args.results)
    print(json.dumps(sections, indent=2) if args.json else text(sections))


def report(results: Path) -> dict[str, dict[str, str]]:
    """Section -> name -> description, without secrets.

    A section that fails has the error as its description, so that the others are still reported.
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
        except Exception as error:  # what is broken is what the reader of the report looks for
            sections[name] = redact({"not known": f"{type(error).__name__}: {error}"})
    return sections


def text(sections: dict[str, dict[str, str]]) -> str:
    """The report as ASCII text: a heading for each section, a line for each entry."""
    width = max(max(map(len, entries), default=0) for entries in sections.values())
    lines = []
    for section, entries in sections.items():
        lines.append(section)
        lines += [f"  {name:<{width}}  {value}" for name, value in entries.items()]
    # a terminal or log without Unicode would refuse a folder's name
    return "\n".join(lines).encode("ascii", "backslashreplace").decode()


def project() -> dict[str, str]:
    """Versions of this project, Python and the system."""
    return {
        "unlearning": _metadata()["version"],
        "revision": git_state(ROOT),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def packages() -> dict[str, str]:
    """Versions of the packages that every stage needs."""
    return _versions(_metadata()["dependencies"])


def optional() -> dict[str, str]:
    """Extra -> its packages with their versions, including the missing ones."""
    extras = {}
    for extra, requirements in _metadata()["optional-dependencies"].items():
        versions = _versions(requirements)
        extras[extra] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return extras


def devices() -> dict[str, str]:
    """Processor, memory, and the GPUs that the driver and torch see."""
    entries = machine()
    del entries["system"]  # section project has it
    if sys.platform == "linux":  # a scheduler or container may restrict the process to some cores
        entries["cores"] += f", {len(os.sched_getaffinity(0))} for this process"
    # the driver's own list beside torch's: a torch built for the CPU sees none of them
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    gpus = _output(query).splitlines()
    for number, gpu in enumerate(gpus):
        entries[f"GPU {number}" if len(gpus) > 1 else "GPU"] = gpu
    entries["torch"] = _output([sys.executable, "-c", TORCH])
    return entries


def scheduler() -> dict[str, str]:
    """Partitions that SLURM's controller lists, or why there are none."""
    columns = "%P state=%a nodes=%D cpus=%c memory=%mMB gres=%G limit=%l"
    partitions = _output(["sinfo", "--noheader", f"--format={columns}"])
    if " state=" not in partitions:
        return {"SLURM": partitions or "sinfo lists no partition"}
    entries = {"SLURM": _output(["sinfo", "--version"])}
    for partition in partitions.splitlines():
        name, _, details = partition.partition(" state=")
        key = f"partition {name.strip()}"
        # sinfo prints a line for each kind of node in a partition
        entries[key] = f"{entries[key]}; {details}" if key in entries else details
    return entries


def storage(results: Path) -> dict[str, str]:
    """Free space on the disks of results and downloaded models."""
    # imported here: this package may be what is missing
    try:
        cache = _free_space(Path(import_module("huggingface_hub.constants").HF_HUB_CACHE))
    except ImportError as error:
        cache = f"not known: {error}"
    return {"results": _free_space(results), "hub cache": cache}


def environment() -> dict[str, str]:
    """Environment variables that affect devices, threads and downloads."""
    return {name: os.environ.get(name, "not set") for name in VARIABLES}


def _metadata() -> dict:
    """Section project of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _versions(requirements: list[str]) -> dict[str, str]:
    """Package -> its version, with the tested version if they differ, or "missing"."""
    lock = (ROOT / "envs" / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    versions = {}
    for requirement in requirements:
        # constraints.txt has normalised names (PEP 503): huggingface-hub for huggingface_hub
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        tested = pins.get(re.sub(r"[-_.]+", "-", name).lower())
        try:
            version = metadata.version(name) or "without a version"
        except metadata.PackageNotFoundError:
            version = "missing"
        else:
            # a suffix such as +cu121 names the device that the package was built for
            if tested and version.partition("+")[0] != tested:
                version += f" (tested: {tested})"
        versions[name] = version
    return versions


def _free_space(folder: Path) -> str:
    """A folder, which need not exist, and the free space of its disk; ~ for the home folder."""
    # the results of a first run are not there yet, but their disk is
    path = folder.absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    usage = shutil.disk_usage(existing)
    home = Path.home()
    label = Path("~", path.relative_to(home)) if path.is_relative_to(home) else path
    return f"{label}: {usage.free / 2**30:.0f} of {usage.total / 2**30:.0f} GiB free"


def _output(command: list[str]) -> str:
    """The output of another program, or "no NAME: reason"."""
    name = Path(command[0]).name
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )
    except FileNotFoundError:
        return f"no {name}: it is not on the PATH"
    except subprocess.TimeoutExpired:
        return f"no answer of {name} within {TIMEOUT} seconds"
    except OSError as error:
        return f"no {name}: {error.strerror}"
    if process.returncode != 0:
        lines = (process.stderr or process.stdout).strip().splitlines() or ["it says nothing"]
        return f"{name} failed with status {process.returncode}: {lines[-1]}"
    return process.stdout.strip()

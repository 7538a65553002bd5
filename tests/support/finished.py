"""Finished micro experiments, one for each benchmark, shared by all processes of pytest-xdist."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from folders import ROOT
from project import Project, copied

MICRO = ROOT / "tests" / "micro"
LINES = 100  # of a failed run's output, as its tests show it


def micro_config(name: str) -> dict:
    """tests/micro/NAME.yaml as its user wrote it, to be changed by a test."""
    return yaml.safe_load((MICRO / f"{name}.yaml").read_text(encoding="utf-8"))


def finished_run(shared: Path, name: str, worker: Callable[[], dict[str, str]]) -> Project:
    """The project after tests/micro/NAME.yaml has run to its report, in `shared`: only read it.
    worker: variables that send cells to the worker of all tests.

    The first process that needs a run makes it, under a lock; others wait for it. A run that fails
    is made no second time: its output lies beside it, and every test that needs it shows the end.
    """
    folder, record = shared / name, shared / f"{name}.json"
    with FileLock(shared / f"{name}.lock"):
        if not record.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half made by a process that was killed
            record.write_text(json.dumps(run(copied(folder), name, worker)), encoding="utf-8")
    outcome = json.loads(record.read_text(encoding="utf-8"))
    if outcome["status"] != 0:
        end = "\n".join(outcome["output"].splitlines()[-LINES:])
        pytest.fail(f"the run of tests/micro/{name}.yaml failed:\n{end}", pytrace=False)
    return Project(folder)


def run(project: Project, name: str, worker: Callable[[], dict[str, str]]) -> dict:
    """Exit status and output of Snakemake on a micro experiment: on TOFU as a user starts it, with
    a worker of its own and the output in output.txt, too."""
    words = (MICRO / f"{name}.yaml", "--profile", "config/profiles/local")
    try:
        if name == "tofu":
            done = project.snakemake(*words)
        else:
            done = project.ask_snakemake(*words, **worker())
        (project.root / "output.txt").write_text(done.stdout, encoding="utf-8")
    except (subprocess.TimeoutExpired, TimeoutError) as error:
        return {"status": None, "output": str(error)}
    return {"status": done.returncode, "output": done.stdout}

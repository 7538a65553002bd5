"""benchmarks/gpu.sh rehearsed on the CPU, so that no minute of a GPU is lost to a mistake in it."""

import os
import shutil
import subprocess

import pytest
from folders import ROOT, tofu_folder
from project import copied

STEPS = subprocess.check_output([ROOT / "benchmarks" / "gpu.sh", "list"], text=True).split()


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """A copy of the project with the benchmarks, and the environment of a rehearsal."""
    project = copied(tmp_path_factory.mktemp("gpu"))
    shutil.copytree(ROOT / "benchmarks", project.root / "benchmarks")
    shutil.copytree(ROOT / "tests" / "support", project.root / "tests" / "support")
    variables = {"REHEARSE": "1", "TOFU_DIR": str(tofu_folder()), "OUT": str(project.root / "out")}
    variables |= {"LIMIT": "3600"}  # this machine may be busy
    return project, {**os.environ, **project.environment, **variables}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_ends_with_its_table(rehearsal, step):
    project, environment = rehearsal
    done = subprocess.run(
        [project.root / "benchmarks" / "gpu.sh", step],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    out = project.root / "out"
    if step == "experiment":
        assert list(out.glob("experiment.tar.xz.*"))
    elif step != "device":
        assert "|---" in (out / f"{step}.md").read_text(encoding="utf-8")

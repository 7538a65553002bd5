"""One lock: every environment file takes its versions from envs/constraints.txt."""

import re
import tomllib
from importlib.metadata import version

import yaml
from folders import ROOT
from packaging.requirements import Requirement


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    lines = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def requirements():
    optional = project()["optional-dependencies"].values()
    return [Requirement(r) for group in (project()["dependencies"], *optional) for r in group]


def test_everything_that_the_project_asks_for_is_pinned_and_installed_as_pinned():
    for requirement in requirements():
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins(), f"{name} has no pin"
        if name not in ("torchao", "bitsandbytes"):  # beside the environment: see the Makefile
            assert version(requirement.name).split("+")[0] == pins()[name]


def test_conda_and_container_install_from_the_same_lock():
    conda = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    pip = next(d["pip"] for d in conda["dependencies"] if isinstance(d, dict))
    assert pip == ["--constraint constraints.txt", "--editable ..[workflow,harness,test]"]
    container = (ROOT / "envs" / "Containerfile").read_text()
    assert "--constraint envs/constraints.txt --editable '.[workflow,harness,test]'" in container
    makefile = (ROOT / "Makefile").read_text()
    assert "--constraint envs/constraints.txt --editable '.[workflow,harness,test]'" in makefile


def test_python_versions_agree():
    conda = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    python = next(d for d in conda["dependencies"] if str(d).startswith("python="))
    assert project()["requires-python"] == ">=" + python.removeprefix("python=")
    assert (
        f"python:{python.removeprefix('python=')}-slim"
        in (ROOT / "envs" / "Containerfile").read_text()
    )

"""`python -m unlearning doctor` on machines that lack something, and on a GPU node."""

import importlib.metadata
import json
import shutil
import subprocess
import tomllib
from collections import namedtuple

import pytest
from folders import ROOT
from unlearning import __main__ as command_line
from unlearning.stages import doctor

SECTIONS = [
    *("project", "packages", "optional", "devices", "scheduler", "storage", "environment"),
]
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"
SINFO = "main* state=up nodes=2 cpus=64 memory=512000MB gres=gpu:a100:4 limit=1-00:00:00\n"
SINFO += "main* state=up nodes=8 cpus=32 memory=128000MB gres=(null) limit=1-00:00:00\n"


@pytest.fixture
def programs(monkeypatch):
    """Program -> (status, output) of the fake ones; all others are missing."""
    answers: dict[str, tuple[int, str]] = {}

    def run(command, **_):
        name = command[0].rsplit("/", 1)[-1]
        if name not in answers:
            raise FileNotFoundError(2, "No such file or directory", name)
        status, output = answers[name]
        if name == "sinfo" and "--version" in command:
            output = "slurm 24.11.5"
        return subprocess.CompletedProcess(
            command, status, output if status == 0 else "", "" if status == 0 else output
        )

    monkeypatch.setattr(doctor.subprocess, "run", run)
    return answers


def printed(capsys, *words) -> str:
    """What the command prints; its exit status is 0."""
    assert command_line.main(["doctor", *words]) == 0
    return capsys.readouterr().out


def test_json_has_what_the_text_has(programs, capsys):
    sections = json.loads(printed(capsys, "--json"))
    text = printed(capsys)
    assert list(sections) == SECTIONS
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.startswith("  ")]
    assert sum(len(entries) for entries in sections.values()) == len(lines)
    version = importlib.metadata.version("numpy")
    assert sections["packages"]["numpy"] == version and ["numpy", f"{version}"] in lines


def test_a_machine_that_has_no_program_at_all(programs, capsys):
    sections = json.loads(printed(capsys, "--json"))
    assert sections["project"]["revision"] == "not in a git checkout"
    assert "nvidia-smi" in sections["devices"]["GPU"]
    assert "sinfo" in sections["scheduler"]["SLURM"]


def test_packages_are_those_of_pyproject_and_the_missing_ones_are_named(
    programs, capsys, monkeypatch
):
    installed = importlib.metadata.version

    def version(name):
        if name in ("snakemake", "torchao"):
            raise importlib.metadata.PackageNotFoundError(name)
        return {"torch": "1.0+cu999", "scipy": None}.get(name, installed(name))

    monkeypatch.setattr(doctor.metadata, "version", version)
    sections = json.loads(printed(capsys, "--json"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(sections["packages"]) == project["dependencies"]
    assert list(sections["optional"]) == list(project["optional-dependencies"])
    assert sections["optional"]["workflow"].startswith("snakemake missing, ")
    assert sections["optional"]["gpu"].startswith("torchao missing, ")
    assert sections["packages"]["scipy"].startswith("without a version")
    lock = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    pin = next(line.removeprefix("torch==") for line in lock if line.startswith("torch=="))
    assert sections["packages"]["torch"] == f"1.0+cu999 (tested: {pin})"


def test_gpus_and_partitions(programs, capsys):
    card = "NVIDIA A100-SXM4-80GB, 81920 MiB, 570.86"
    programs["nvidia-smi"] = (0, f"{card}\n{card}\n")
    programs["sinfo"] = (0, SINFO)
    sections = json.loads(printed(capsys, "--json"))
    assert sections["devices"]["GPU 0"] == sections["devices"]["GPU 1"] == card
    assert sections["scheduler"] == {
        "SLURM": "slurm 24.11.5",
        "partition main*": "up nodes=2 cpus=64 memory=512000MB gres=gpu:a100:4 limit=1-00:00:00; "
        "up nodes=8 cpus=32 memory=128000MB gres=(null) limit=1-00:00:00",
    }


def test_programs_that_fail_are_quoted(programs, capsys):
    programs["nvidia-smi"] = (9, "NVIDIA-SMI has failed: no driver")
    programs["sinfo"] = (1, "error: DNS\nsinfo: fatal: Unable to contact slurm controller")
    sections = json.loads(printed(capsys, "--json"))
    assert "status 9" in sections["devices"]["GPU"] and "no driver" in sections["devices"]["GPU"]
    assert "Unable to contact slurm controller" in sections["scheduler"]["SLURM"]


def test_a_program_that_hangs(capsys, monkeypatch):
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(doctor.subprocess, "run", run)
    assert f"no answer of sinfo within {doctor.TIMEOUT} s" in printed(capsys)


def test_a_part_that_breaks_hides_no_other(programs, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)  # without pyproject.toml
    sections = json.loads(printed(capsys, "--json"))
    assert list(sections) == SECTIONS
    assert "FileNotFoundError" in sections["packages"]["not known"]
    assert sections["devices"]["memory"].endswith(" GiB")


def test_free_space_of_a_folder_that_is_still_to_be_made(programs, capsys, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    disks = {str(tmp_path): usage(100 * 2**30, 70 * 2**30, 30 * 2**30)}
    actual = shutil.disk_usage
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda path: disks.get(str(path)) or actual(path)
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "not" / "yet"
    sections = json.loads(printed(capsys, "--json", "--results", str(folder)))
    assert sections["storage"]["results"] == "~/not/yet: 30 of 100 GiB free"


def test_output_is_ascii(programs, capsys):
    assert "/nowhere/M\\xfcll: " in printed(capsys, "--results", "/nowhere/Müll")
    sections = json.loads(printed(capsys, "--json", "--results", "/nowhere/Müll"))
    assert sections["storage"]["results"].startswith("/nowhere/Müll: ")


def test_no_token_is_printed(programs, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", TOKEN)
    programs["sinfo"] = (1, f"sinfo: fatal: {TOKEN} refused")
    for words in ([], ["--json"]):
        output = printed(capsys, *words, "--results", f"/nowhere/{TOKEN}")
        assert TOKEN not in output
        assert output.count("[redacted]") == 3


def test_the_console_script_is_the_module():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    entry = importlib.metadata.EntryPoint("unlearning", scripts["unlearning"], "console_scripts")
    assert entry.load() is command_line.main

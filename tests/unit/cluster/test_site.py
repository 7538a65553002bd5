"""Names in a profile beside those of a pretended scheduler, whose commands are scripts."""

import pytest
from unlearning.cluster.site import read_partitions, site_problems

SINFO = """\
cpu*|(null)|skylake
gpu|gpu:a100:4(S:0-1),gpu:h100:2(S:0)|ib,gpu80gb
gpu|gpu:v100:2|ib
old|gpu:2|(null)
"""
ACCOUNTS = "physics|normal,long\nmaths|normal\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """site(sinfo="…"): only these commands are on the PATH, and they print that."""

    def commands(**answers: str) -> None:
        for name, text in answers.items():
            script = tmp_path / name
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}")

    return commands


def says(text: str) -> str:
    """A shell script that prints the text, without a command other than the shell's own."""
    return f"printf '%s' '{text}'"


@pytest.fixture
def known(site):
    site(sinfo=says(SINFO), sacctmgr=says(ACCOUNTS))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"nodes": "1", "slurm_extra": "'--signal=TERM@120'"},
        {"slurm_partition": "gpu", "gpu_model": "a100", "constraint": "ib&gpu80gb"},
        {"slurm_partition": "cpu,gpu", "gres": "gpu:v100"},
        {"slurm_partition": "'old'", "gres": "gpu"},
        {"slurm_account": "Physics", "qos": "long"},
        {"slurm_partition": "gpu", "constraint": "[ib*2&(gpu80gb|!ib)]"},
        {"slurm_cluster": "elsewhere", "slurm_partition": "theirs"},
    ],
)
def test_names_that_exist(known, values):
    assert site_problems({key: [value] for key, value in values.items()}, gpus=1) == []


@pytest.mark.parametrize(
    ("values", "key", "value", "offers"),
    [
        ({"slurm_partition": "gpus"}, "slurm_partition", "'gpus'", "cpu, gpu, old"),
        ({"slurm_partition": "gpu,fast"}, "slurm_partition", "'fast'", "cpu, gpu, old"),
        ({"slurm_partition": "gpu", "gpu_model": "a10"}, "gpu_model", "'a10'", "a100, h100, v100"),
        ({"slurm_partition": "gpu", "gres": "gpu:A10"}, "gres", "'gpu:A10'", "gpu:a100, gpu:h100"),
        (
            {"slurm_partition": "gpu", "constraint": "ib&40gb"},
            "constraint",
            "'40gb'",
            "gpu80gb, ib",
        ),
        # of the default partition
        ({"constraint": "ib"}, "constraint", "'ib'", "skylake"),
        ({"gpu_model": "a100"}, "gpu_model", "no node of the partition has a GPU", "sinfo"),
        ({"slurm_account": "chemistry"}, "slurm_account", "'chemistry'", "maths, physics"),
        ({"qos": "short"}, "qos", "'short'", "long, normal"),
    ],
)
def test_a_name_that_does_not_exist(known, values, key, value, offers):
    (problem,) = site_problems({key: [value] for key, value in values.items()}, gpus=1)
    assert problem.startswith(f"{key}: ") and value in problem and offers in problem
    assert "Set " in problem and "of the profile" in problem


def test_all_problems_at_once(known):
    values = {"slurm_partition": ["gpu", "nonesuch"], "gpu_model": ["b1"], "qos": ["x", "long"]}
    keys = [problem.partition(":")[0] for problem in site_problems(values, gpus=1)]
    assert keys == ["slurm_partition", "gpu_model", "qos"]


def test_gpus_are_not_looked_at_where_jobs_ask_for_none(known):
    assert site_problems({"gpu_model": ["a10"]}, gpus=0) == []


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"sinfo": "exit 1", "sacctmgr": "echo no database >&2; exit 1"},
        {"sinfo": says(""), "sacctmgr": says("")},
    ],
)
def test_a_scheduler_that_does_not_answer_refuses_nothing(site, answers):
    site(**answers)
    values = {"slurm_partition": ["x"], "slurm_account": ["y"], "qos": ["z"], "gpu_model": ["m"]}
    assert site_problems(values, gpus=1) == []


@pytest.mark.parametrize(
    "key, value, name", [("gres", "gpu:a100:4", "gpu:a100"), ("gres", "gpu:2", "gpu")]
)
def test_the_number_of_gpus_is_the_experiment_s(site, key, value, name):
    """Also where no scheduler answers; a model may be called by a number."""
    site()
    (problem,) = site_problems({key: [value], "gpu_model": ["h100", "gpu:2080"]}, gpus=4)
    assert problem.startswith(f"{key}: '{value}'") and f"write {name} " in problem
    (problem,) = site_problems({"gpu_model": ["a100:1"]}, gpus=1)
    assert "resources.gpus" in problem and "write a100 " in problem
    assert site_problems({key: [value]}, gpus=0) == []


def test_partitions():
    default, partitions = read_partitions(f"CLUSTER: main\n{SINFO}")
    assert default == "cpu" and list(partitions) == ["cpu", "gpu", "old"]
    assert partitions["gpu"].gpus == {"a100", "h100", "v100"}
    assert partitions["gpu"].features == {"ib", "gpu80gb"}
    assert (partitions["old"].gpus, partitions["old"].features) == ({""}, set())
    assert partitions["cpu"].gpus == set()

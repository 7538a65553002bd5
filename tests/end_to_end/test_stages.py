"""Stages as the rules call them: failures that show, arguments, imports, several processes."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from folders import ROOT
from local_tasks import write_task
from safetensors.torch import load_file
from unlearning.__main__ import LAUNCH
from unlearning.config.experiment import load_experiment

SNAKEFILE_IMPORTS = (
    "unlearning.config.experiment, unlearning.config.preflight, unlearning.errors,"
    "unlearning.fingerprint, unlearning.methods.references"
)
GPU_STAGES = ("pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate", "harness")
ONE_PROCESS = ("python", "-m", "unlearning")
TWO_PROCESSES = (*ONE_PROCESS, "--processes", "2")  # gloo stands in for NCCL
SHARDED = (*TWO_PROCESSES, "--sharding", "shard")


@pytest.fixture(scope="module")
def experiment(micro_with):
    return load_experiment(micro_with(), ROOT)


def test_failed_job_shows_its_log(project, micro_with, tmp_path):
    """The local profile prints the end of the log, so that nobody has to look for it."""
    broken = project.moved_to(tmp_path / "broken")
    config = micro_with(unlearn={"batch_size": 1000})
    target = "results/micro/forget10/unlearn/NPO+RT/beta=0.1/seed=1/trajectory.json"
    done = broken.snakemake(config, "--profile", "config/profiles/local", target)
    assert done.returncode != 0
    assert "results/micro/logs/unlearn/forget10/NPO+RT/beta=0.1/seed=1.log" in done.stdout
    assert "error: 2 epochs of 4 rows give no full batch of 1000" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (broken.root / target).exists()


def test_snakemake_makes_its_own_report_without_a_network(project, micro_with, tmp_path):
    """It packs the page, tables and figures that the rules mark for it."""
    page = tmp_path / "report.html"
    done = project.snakemake(micro_with(), "--report", page)
    assert done.returncode == 0, done.stdout
    for name in ("index.html", "main.csv", "fq_mu.svg", "claims.json"):
        assert f"Adding {name}" in done.stdout
    assert page.stat().st_size > 1e6


def test_harness_runs_on_a_task_of_the_users_own(project, micro_with, tmp_path):
    """A changed task is evaluated again."""
    copy = project.moved_to(tmp_path / "copy")
    tasks = copy.root / "my tasks"
    tasks.mkdir()
    write_task(tasks, "people")
    config = micro_with(harness={"tasks": ["people"], "include_path": "my tasks"})
    summary = "results/micro/finetune/seed=42/harness/summary.json"
    done = copy.snakemake(config, "--show-failed-logs", summary)
    assert done.returncode == 0, done.stdout
    assert json.loads((copy.root / summary).read_text())["tasks"]["people"]["documents"] == 24
    assert "Nothing to be done" in copy.snakemake(config, "--dry-run", summary).stdout
    write_task(tasks, "people", doc_to_text="Question: {{question}}")
    again = copy.job_stats(copy.snakemake(config, "--dry-run", summary).stdout)
    assert again == {"fetch": 1, "harness": 1}


def test_damaged_model_is_named(project, experiment, tmp_path):
    """The log of a stage that cannot load its model says which folder is damaged."""
    model = tmp_path / "damaged"
    model.mkdir()
    (model / "config.json").write_text("{")
    done = project.call(
        *(*ONE_PROCESS, "evaluate", "--model", model, "--data", "results/micro/data"),
        *("--split", "forget10", "--out", tmp_path / "evaluation"),
        *("--settings", json.dumps(experiment.common())),
    )
    assert done.returncode != 0 and str(model) in done.stdout
    assert not (tmp_path / "evaluation").exists()


def test_help_shows_arguments(fresh):
    done = fresh.call(*ONE_PROCESS, "unlearn", "--help")
    assert done.returncode == 0
    for argument in ("--model", "--data", "--split", "--retain", "--reference", "--seed", "--out"):
        assert argument in done.stdout


def test_help_shows_stages(fresh):
    done = fresh.call(*ONE_PROCESS, "--help")
    assert all(stage in done.stdout for stage in ("data", *GPU_STAGES, "report"))


def test_snakefile_imports_no_torch(fresh):
    """A dry run of a large experiment must not pay for importing torch, nor need it."""
    heavy = "{'torch', 'transformers', 'accelerate', 'datasets', 'huggingface_hub'}"
    code = f"import {SNAKEFILE_IMPORTS}, sys; assert not {heavy} & set(sys.modules)"
    done = fresh.call("python", "-c", code)
    assert done.returncode == 0, done.stdout


def test_snakefile_imports_are_those_tested():
    text = (ROOT / "rules" / "common.smk").read_text(encoding="utf-8")
    named = {line.split()[1] for line in text.splitlines() if line.startswith("from unlearning")}
    assert named == set(SNAKEFILE_IMPORTS.replace(",", " ").split())


def test_gpu_stages_need_neither_snakemake_nor_datasets(fresh):
    stages = ", ".join(f"unlearning.stages.{stage}" for stage in GPU_STAGES)
    absent = "{'snakemake', 'datasets', 'lm_eval', 'altair', 'vl_convert'}"
    code = f"import {stages}, sys; assert not {absent} & set(sys.modules), sys.modules.keys()"
    done = fresh.call("python", "-c", code)
    assert done.returncode == 0, done.stdout


def finetune(experiment, out: Path) -> tuple:
    """What rule finetune calls."""
    return (
        *("finetune", "--model", experiment.base, "--data", "results/micro/data"),
        *("--table", "full", "--seed", "42", "--out", out),
        *("--settings", json.dumps(experiment.finetune_settings())),
    )


def unlearn(experiment, out: Path, micro_batch: int) -> tuple:
    """What rule unlearn calls for NPO+RT, with its own micro-batch."""
    settings = experiment.method_settings("NPO+RT", "beta=0.1")
    fit = {**experiment.fit("unlearn"), "micro_batch": micro_batch}
    return (
        *("unlearn", "--model", "results/micro/finetune/seed=42/model"),
        *("--data", "results/micro/data", "--split", "forget10", "--retain", "retain90"),
        *("--reference", "results/micro/forget10/reference/forget.json", "--seed", "1"),
        *("--settings", json.dumps(settings), "--fit", json.dumps(fit), "--out", out),
        *("--trajectory", out.with_name("trajectory.json")),
    )


def distance(model: Path, other: Path) -> float:
    """Difference between two models' weights, relative to each tensor's largest weight.

    In all but one of a thousand weights: Adam turns rounding into part of a step where a gradient
    is zero but for rounding, which happens to single weights.
    """
    ours, theirs = (load_file(path / "model.safetensors") for path in (model, other))
    assert ours.keys() == theirs.keys()
    differences = [(ours[k] - theirs[k]).abs() / theirs[k].abs().max() for k in ours]
    return float(torch.cat([d.flatten() for d in differences]).quantile(0.999))


def test_two_processes_are_two(project, tmp_path):
    """Otherwise the comparisons below would compare one process with itself, and on a machine
    without a GPU each would write the outputs."""
    script = tmp_path / "count.py"
    script.write_text(
        "import pathlib\n"
        "from unlearning.stages.common import make_accelerator\n"
        "found = make_accelerator({'precision': 'float32'})\n"
        "file = pathlib.Path(__file__).with_name(str(found.process_index))\n"
        "file.write_text(str(found.num_processes))\n"
    )
    without = ("env", "--unset", "ACCELERATE_USE_CPU")
    done = project.call(*without, "python", "-m", *LAUNCH.split(), "2", script)
    assert done.returncode == 0, done.stdout
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2", "2"]


def test_two_processes_stop_and_go_on_together(project, experiment, tmp_path):
    """The launcher hands the signal on; the model is that of two undisturbed processes."""
    settings = experiment.finetune_settings()
    settings["recipe"] = {**settings["recipe"], "epochs": 40}  # 200 steps
    state, log = tmp_path / "state", tmp_path / "log"
    commands = {
        name: (
            *(*SHARDED, *finetune(experiment, tmp_path / name)),
            *("--settings", json.dumps(settings), "--checkpoint-minutes", "0"),
            *(("--state", state) if name == "disturbed" else ()),
        )
        for name in ("undisturbed", "disturbed")
    }
    assert project.call(*commands["undisturbed"]).returncode == 0
    with log.open("w") as file:
        command = [str(part) for part in commands["disturbed"]]
        places = {"cwd": project.root, "env": project.environment, "stderr": subprocess.STDOUT}
        running = subprocess.Popen(command, stdout=file, **places)
        while running.poll() is None and not list(state.glob("step=*")):
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) != 0
    stopped = re.search(r"error: stopped by SIGTERM after step (\d+) of 200", log.read_text())
    assert stopped, log.read_text()
    done = project.call(*commands["disturbed"])
    assert f"resumed after step {stopped[1]} from {state}" in done.stdout
    ours, theirs = (tmp_path / name / "model.safetensors" for name in commands)
    assert ours.read_bytes() == theirs.read_bytes()
    assert not state.exists()


@pytest.mark.parametrize(
    "launch, micro_batch",
    [(TWO_PROCESSES, 1), (SHARDED, 16), (ONE_PROCESS, 1)],
    ids=["two processes", "two sharing a model", "one"],
)
def test_split_of_a_batch_changes_nothing(project, experiment, tmp_path, launch, micro_batch):
    """The same weights as one process with the whole batch at once, as the rule ran it."""
    assert experiment.config["unlearn"]["micro_batch"] == 16
    unlearned = project.world / "forget10" / "unlearn" / "NPO+RT" / "beta=0.1" / "seed=1"
    target = project.world / "finetune" / "seed=42" / "model"
    assert distance(unlearned / "model", target) > 1e-3
    done = project.call(*launch, *unlearn(experiment, tmp_path / "model", micro_batch))
    assert done.returncode == 0, done.stdout
    assert distance(tmp_path / "model", unlearned / "model") < 1e-5
    (ours,), (theirs,) = (
        json.loads((folder / "trajectory.json").read_text())["points"]
        for folder in (tmp_path, unlearned)
    )
    assert ours["epoch"] == theirs["epoch"] == 1
    assert ours["metrics"] == pytest.approx(theirs["metrics"], rel=1e-4)


def test_an_attack_on_two_processes_sees_the_same_model_after_each_epoch(
    project, experiment, tmp_path
):
    """Each evaluates a whole copy of the model that they share."""
    attacks = project.world / "forget10" / "relearn"
    (known,) = attacks.rglob("random/trajectory.json")
    model = project.world / "forget10" / "unlearn" / known.parents[1].relative_to(attacks)
    done = project.call(
        *(*SHARDED, "relearn", "--data", "results/micro/data", "--split", "forget10"),
        *("--model", model / "model", "--attack", "random", "--seed", "1"),
        *("--settings", json.dumps(experiment.relearn_settings("random"))),
        *("--out", tmp_path / "trajectory.json"),
    )
    assert done.returncode == 0, done.stdout
    ours, theirs = (json.loads(path.read_text()) for path in (tmp_path / "trajectory.json", known))
    assert [point["epoch"] for point in ours["points"]] == [0, 1]
    for a, b in zip(ours["points"], theirs["points"], strict=True):
        assert a["metrics"] == pytest.approx(b["metrics"], rel=1e-4)


def test_two_processes_evaluate_the_same(project, micro_with, tmp_path):
    """With every attack and the target's perplexities, which share out rows of their own."""
    attacks = ["loss", "zlib", "min_k", "min_k_plus_plus", "reference", "gradnorm"]
    config = load_experiment(micro_with(evaluation={"membership": attacks}), ROOT)
    found = {}
    for name, launch in (("one", ONE_PROCESS), ("two", TWO_PROCESSES)):
        done = project.call(
            *(*launch, "evaluate", "--data", "results/micro/data", "--split", "forget10"),
            *("--model", "results/micro/forget10/unlearn/NPO+RT/beta=0.1/seed=1/model"),
            *("--target", "results/micro/finetune/seed=42/model", "--holdout"),
            *("--settings", json.dumps(config.evaluate_settings()), "--out", tmp_path / name),
        )
        assert done.returncode == 0, done.stdout
        found[name] = json.loads((tmp_path / name / "summary.json").read_text())
    assert found["two"]["rows"] == found["one"]["rows"]
    assert found["one"]["rows"]["holdout"] == 4
    assert {f"mia_{a}_auc" for a in attacks if a != "reference"} <= found["one"]["metrics"].keys()
    assert found["two"]["metrics"] == pytest.approx(found["one"]["metrics"], rel=1e-4)

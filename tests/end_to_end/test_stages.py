"""Stages as the rules call them: failures that show, arguments, imports."""

import json
import re
import shutil

import pytest
from folders import ROOT
from local_tasks import write_task
from unlearning import __main__ as command_line
from unlearning.config.experiment import load_experiment

SNAKEFILE_IMPORTS = (
    "unlearning.benchmark, unlearning.cluster.cancelled, unlearning.cluster.reachable,"
    " unlearning.config.entries, unlearning.config.judged, unlearning.config.reading,"
    " unlearning.devices, unlearning.errors, unlearning.fingerprint,"
    " unlearning.methods.references, unlearning.outside, unlearning.reporting.section"
)
GPU_STAGES = ("pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate", "harness")
UNLEARNED = "forget10/unlearn/NPO+RT/beta=0.1/seed=1"


def test_a_piped_run_prints_a_line_for_each_job_and_the_page_last(project):
    lines = (project.root / "output.txt").read_text(encoding="utf-8").splitlines()
    numbers = [re.match(r"\[(\d+)/17\] \w+ .*\(\d+(\.\d)? (s|min)\)", line) for line in lines]
    assert [int(number[1]) for number in numbers if number] == list(range(1, 18))
    # the profile, the number of jobs, the path of Snakemake's log; what runs after a silent minute
    assert len([line for line in lines if ": since " not in line]) <= 17 + 5
    assert max(map(len, lines)) < 300
    assert lines[-1] == "Report: results/micro/report/index.html"
    assert (project.root / "results/micro/report/index.html").is_file()


def test_cells_in_processes_of_their_own(project, micro_with, tmp_path):
    """Without a worker a cell writes the same bytes; one that fails is named with the end of its
    log, so that nobody has to look for it, and holds up no other."""
    copy = project.moved_to(tmp_path / "copy")
    evaluation = "finetune/seed=42/evaluate"
    shutil.rmtree(copy.world / "forget10" / evaluation)
    losses = copy.root / "losses.py"
    losses.write_text("def broken(batch):\n    return batch.none\n", encoding="utf-8")
    methods = {"broken": {"function": "losses.py:broken"}}
    config = micro_with(methods=methods, resources={"cells_per_job": 1})
    failing = "results/micro/forget10/unlearn/broken/default/seed=1/trajectory.json"
    targets = (failing, f"results/micro/forget10/{evaluation}/rows.json")
    done = copy.ask_snakemake(config, "--profile", "config/profiles/local", *targets)
    assert done.returncode != 0
    assert "results/micro/logs/unlearn/forget10/broken/default/seed=1.log" in done.stdout
    assert done.stdout.count("error: losses.py:broken: line 2 (return batch.none)") == 1
    assert "Traceback" not in done.stdout
    assert not (copy.root / failing).exists()
    for name in ("rows.json", "summary.json"):
        alone, forked = (p.world / "forget10" / evaluation / name for p in (copy, project))
        assert alone.read_bytes() == forked.read_bytes()
    log = "logs/evaluate/forget10/finetune/seed=42.log"
    assert "peak memory:" in (project.world / log).read_text()  # a worker's client says it
    assert "peak memory:" not in (copy.world / log).read_text()


def test_jobs_of_more_gpus_than_this_machine_has(fresh, micro_with):
    """They are refused before the first job, as is any other mistake."""
    config = micro_with(resources={"gpus": 2})
    done = fresh.ask_snakemake(config, CUDA_VISIBLE_DEVICES="0")
    assert done.returncode != 0
    assert "resources.gpus" in done.stdout and "Set resources.gpus to 1" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.world / "data").exists()


def test_snakemake_makes_its_own_report_without_a_network(project, micro_with, tmp_path):
    """It packs the page, tables and figures that the rules mark for it."""
    page = tmp_path / "report.html"
    done = project.ask_snakemake(micro_with(), "--report", page)
    assert done.returncode == 0, done.stdout
    for name in ("index.html", "main.csv", "fq_mu.svg", "claims.json"):
        assert f"Adding {name}" in done.stdout
    assert page.stat().st_size > 1e6


def test_harness_runs_on_a_task_of_the_users_own(project, micro_with, complete, tmp_path):
    """A changed task is evaluated again."""
    copy = project.moved_to(tmp_path / "copy")
    tasks = copy.root / "my tasks"
    tasks.mkdir()
    write_task(tasks, "people")
    config = micro_with(harness={"tasks": ["people"], "include_path": "my tasks"})
    summary = "results/micro/finetune/seed=42/harness/summary.json"
    complete(copy, config, summary)
    assert json.loads((copy.root / summary).read_text())["tasks"]["people"]["documents"] == 24
    assert copy.jobs(config, summary) == {}
    write_task(tasks, "people", doc_to_text="Question: {{question}}")
    assert copy.jobs(config, summary) == {"fetch": 1, "harness": 1}


def test_damaged_model_is_named(stage, project, micro_with, tmp_path, capsys):
    """A stage that cannot load its model says which folder is damaged."""
    model = tmp_path / "damaged"
    model.mkdir()
    (model / "config.json").write_text("{")
    settings = load_experiment(micro_with(), ROOT).common()
    status = stage(
        *("evaluate", "--model", model, "--data", project.world / "data", "--split", "forget10"),
        *("--out", tmp_path / "evaluation", "--settings", json.dumps(settings)),
    )
    assert status != 0 and str(model) in capsys.readouterr().err
    assert not (tmp_path / "evaluation").exists()


def test_a_person_evaluates_a_model_as_its_rule_does(stage, project, tmp_path, capsys):
    """With the experiment's config, or from what model and tables say of themselves."""
    models, data = project.world / "finetune", project.world / "data"
    words = ("evaluate", "--model", models / "seed=42" / "model", "--data", data)
    config = ("--config", ROOT / "tests" / "micro" / "tofu.yaml", "evaluation={fluency: false}")
    assert stage(*words, *config, "--out", tmp_path / "by-config") == 0
    made = json.loads((tmp_path / "by-config" / "rows.json").read_text())
    rule = project.world / "forget10" / "finetune" / "seed=42" / "evaluate" / "rows.json"
    for name, columns in json.loads(rule.read_text()).items():
        columns.pop("generation_nll", None)  # the rule also has fluency taken
        assert made[name] == columns
    # answers of 200 tokens, as published, are more than this model's context
    assert stage(*words, "--out", tmp_path / "by-itself") != 0
    assert "generation_tokens" in capsys.readouterr().err


def test_settings_alone_do_not_say_which_split(stage, tmp_path, capsys):
    words = ("evaluate", "--model", tmp_path, "--data", tmp_path, "--settings", "{}")
    with pytest.raises(SystemExit) as end:
        stage(*words)
    assert end.value.code == 2 and "--split is required" in capsys.readouterr().err


def test_a_stage_without_settings_says_how_to_name_them(stage, project, tmp_path, capsys):
    words = ("harness", "--model", tmp_path, "--out", tmp_path)
    assert stage(*words) != 0
    assert "--config FILE" in capsys.readouterr().err
    micro = ROOT / "tests" / "micro" / "tofu.yaml"
    words = ("unlearn", "--model", tmp_path, "--data", tmp_path, "--reference", tmp_path)
    words += ("--seed", "1", "--out", tmp_path, "--trajectory", tmp_path)
    assert stage(*words, "--config", micro, "--method", "GA") != 0
    message = capsys.readouterr().err
    assert "--method: GA" in message and "SimNPO+RT/default" in message


def test_answers_by_hand_are_those_of_the_run(stage, project, tmp_path):
    micro = ROOT / "tests" / "micro" / "tofu.yaml"
    words = ("answers", "--config", micro, "--data", project.world / "data")
    assert stage(*words, "--out", tmp_path / "answers") == 0
    tables = sorted(project.world.glob("answers/*/*.json"))
    assert [path.name for path in tables] == ["forget10_alternatives.json", "idontknow.json"]
    for path in tables:
        assert (tmp_path / "answers" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--help"], ["data", *GPU_STAGES, "report"]),
        (
            ["unlearn", "--help"],
            ["--model", "--data", "--split", "--retain", "--reference", "--answers", "--out"],
        ),
    ],
    ids=["stages", "arguments"],
)
def test_help_shows(stage, capsys, words, expected):
    with pytest.raises(SystemExit) as end:
        stage(*words)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert [word for word in expected if word not in text] == []


def test_several_processes_are_started_by_accelerate(stage, monkeypatch):
    """By the launcher that test_two_processes.py uses, with the stage's own arguments."""

    def launch(path, command, environment):
        raise SystemExit(command)

    monkeypatch.setattr(command_line.os, "execve", launch)
    words = ["evaluate", "--model", "m", "--data", "d", "--split", "forget10", "--out", "o"]
    words += ["--settings", "{}"]
    with pytest.raises(SystemExit) as launched:
        stage("--processes", "2", *words)
    python, *module, count = launched.value.code[: -len(words) - 4]
    assert module == ["-m", *command_line.LAUNCH.split()] and count == "2"
    assert launched.value.code[-len(words) - 4 :] == [
        *("-m", "unlearning", "--sharding", "replicate"),
        *words,
    ]


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

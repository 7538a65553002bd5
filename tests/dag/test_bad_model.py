"""A model folder is judged before the first job, once, in a process of its own."""

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from broken_models import good_model
from finished import micro_config
from folders import ROOT
from project import copied, merged
from unlearning.__main__ import main
from unlearning.config import preflight as checked
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.config.schema import ConfigError

NO_SCRATCH = {"pretrain": None, "finetune": {"replay_rows": 0, "max_length": 64}}
ROOM = {"generation_tokens": 60}  # the model's tokenizer makes 53 tokens of the longest question


@pytest.fixture
def model(tmp_path) -> Path:
    return good_model(tmp_path / "model")


@pytest.fixture
def config(micro_with, model, tmp_path, monkeypatch):
    """The micro experiment on that model, run from a folder of its own, which notes what passed."""
    monkeypatch.chdir(tmp_path)
    stated = {"path": str(model), "architecture": None}
    return lambda **changes: micro_with(**NO_SCRATCH, model={**stated, **changes}, evaluation=ROOM)


@pytest.fixture
def judged_here(monkeypatch):
    """Judgements are made in this process, for another would load torch once more."""

    def run(command, **_):
        return CompletedProcess(command, main(command[3:]), "", "")

    monkeypatch.setattr(checked.subprocess, "run", run)


def problems(config: dict) -> list[str]:
    """Each problem that the user is told of."""
    try:
        preflight(load_experiment(config, ROOT))
    except ConfigError as error:
        return error.problems
    return []


def change(path: Path, **values) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | values), encoding="utf-8")


def test_a_good_model_passes_and_is_judged_once(config, model, monkeypatch):
    processes = []
    run = checked.subprocess.run

    def counted(command, **options):
        processes.append(command)
        return run(command, **options)

    monkeypatch.setattr(checked.subprocess, "run", counted)
    assert problems(config()) == []
    assert problems(config()) == []
    assert len(processes) == 1 and processes[0][:4] == [sys.executable, "-m", "unlearning", "judge"]


def test_it_is_judged_again_for_another_use_and_after_a_change(judged_here, config, model):
    assert problems(config()) == []
    assert "chat template" in " ".join(problems(config(prompt="chat")))
    change(model / "tokenizer_config.json", eos_token=None)
    assert "eos_token" in " ".join(problems(config()))


def test_all_that_is_wrong_is_told_at_once_with_the_models_path(judged_here, config, model):
    (model / "model.safetensors").write_bytes(b"")
    change(model / "config.json", max_position_embeddings=16)
    change(model / "tokenizer_config.json", eos_token="<end>")
    found = problems(config(prompt="llama3"))
    assert all(problem.startswith(f"model.path: '{model}' ") for problem in found)
    for part in ("model.safetensors, 0 bytes", "'<end>' (294)", "<|eot_id|> (9 pieces)"):
        assert sum(part in problem for problem in found) == 1, found


def test_rows_are_measured_where_limits_exceed_the_context(judged_here, config, model):
    """unlearn.max_length is 500: with a context of 256 the mini world's own rows decide."""
    assert problems(config()) == []
    change(model / "config.json", max_position_embeddings=60)
    found = problems(config())
    for stage in ("finetune", "unlearn", "relearn", "evaluation"):
        assert sum(f"lower {stage}.max_length" in problem for problem in found) == 1
    assert all("reads 60 tokens" in problem for problem in found) and len(found) == 4
    # 64 tokens is where fine-tuning cuts
    assert any("has 64: lower finetune.max_length" in problem for problem in found)


def test_prompts_count_where_the_limit_counts_the_answer_alone(judged_here, config, model):
    answers = {"generation_counts": "new", "generation_tokens": 250}
    found = problems({**config(), "evaluation": {**config()["evaluation"], **answers}})
    assert len(found) == 1 and "lower evaluation.generation_tokens" in found[0]


def test_missing_model_folder(config, tmp_path):
    found = problems(config(path=str(tmp_path / "none")))
    assert len(found) == 1
    assert f"no folder '{tmp_path}/none'" in found[0] and "config.json" in found[0]


def test_a_judgement_that_dies_is_no_pass(config, monkeypatch):
    monkeypatch.setattr(checked.sys, "executable", "/bin/false")
    assert "cannot be judged" in " ".join(problems(config()))


@pytest.mark.parametrize(
    "changes, parts",
    [
        ({"system": "Be brief."}, ["model.system", "chat", "plain"]),
        ({"prompt": "chat", "system": " "}, ["model.system", "must be text"]),
        ({"prompt": "chat", "system": 3}, ["model.system", "must be text"]),
        ({"prompt": "chats"}, ["model.prompt", "chat, plain"]),
    ],
)
def test_prompt_and_system_text(config, changes, parts):
    with pytest.raises(ConfigError) as caught:
        load_experiment(config(**changes), ROOT)
    for part in parts:
        assert part in str(caught.value)


def test_a_model_from_random_weights_has_no_template_and_its_context(micro_with):
    with pytest.raises(ConfigError) as caught:
        load_experiment(micro_with(model={"prompt": "chat"}), ROOT)
    assert "model.prompt: chat is the chat template" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load_experiment(micro_with(evaluation={"generation_tokens": 200}), ROOT)
    assert "200 tokens" in str(caught.value) and "context, 128" in str(caught.value)


def test_a_rehearsal_does_without_the_template(micro_with, config):
    experiment = load_experiment(
        {**config(prompt="chat", system="Be brief."), "rehearsal": True}, ROOT
    )
    assert experiment.common() == {"prompt": "plain", "precision": "float32"}


def test_a_system_text_is_a_setting_of_chat_alone(config):
    chat = load_experiment(config(prompt="chat", system="Be brief."), ROOT)
    assert chat.common() == {"prompt": "chat", "precision": "float32", "system": "Be brief."}
    assert load_experiment(config(), ROOT).common() == {"prompt": "plain", "precision": "float32"}


def test_command_line_names_the_problem_before_any_job(fresh, config, model):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"PK")
    done = fresh.dry_run(config())
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and "Job stats" not in done.stdout
    assert "pytorch_model.bin may run any code" in done.stdout


def test_braces_in_texts_are_no_wildcards(tmp_path):
    """Snakemake would fill in what a rule's wildcards are called, and refuse other names."""
    project = copied(tmp_path / "project")
    folder = good_model(project.root / "model")
    turn = "{{ message['role'] + ': ' + message['content'] + '<eos>' }}"
    template = "{% for message in messages %}" + turn + "{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    text = "You are {name} of {split} and {run}."
    model = {"path": "model", "architecture": None, "prompt": "chat", "system": text}
    config = merged(
        micro_config("own"),
        {
            "model": model,
            "pretrain": None,
            "data": {"name": "rows of {nobody}"},
            "unlearn": {"max_length": 200},
            "evaluation": {"max_length": 200},
        },
    )
    done = project.dry_run(config, "--printshellcmds")
    assert done.returncode == 0, done.stdout
    assert text in done.stdout and "rows of {nobody}" in done.stdout

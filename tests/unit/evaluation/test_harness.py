"""lm-evaluation-harness through its own API, on tasks that the tests write. No network."""

import functools
import json
from importlib.metadata import version
from pathlib import Path

import datasets
import huggingface_hub
import lm_eval.tasks
import pytest
import torch
from local_tasks import CHOICES, ROWS, write_task, write_yaml
from unlearning import __main__ as program
from unlearning.errors import UserError
from unlearning.evaluation import harness
from unlearning.evaluation.harness import load_tasks
from unlearning.evaluation.metrics import task_metric
from unlearning.files import read_json
from unlearning.models.build import build_model, train_tokenizer
from unlearning.models.folder import load_model, load_tokenizer, save_model

SETTINGS = {"limit": None, "batch_size": 4, "precision": "float32"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for tasks; the 14,000 that the harness brings are left out, to save seconds."""
    alone = functools.partial(lm_eval.tasks.TaskManager, include_defaults=False)
    monkeypatch.setattr(lm_eval.tasks, "TaskManager", alone)
    (tmp_path / "tasks").mkdir()
    return tmp_path / "tasks"


@pytest.fixture
def model(tmp_path):
    """A random model whose answers differ from person to person."""
    texts = [f"{row['question']} {choice}" for row in ROWS for choice in CHOICES]
    tokenizer = train_tokenizer("word", texts, 200)
    shape = {"layers": 2, "width": 32, "heads": 2, "feed_forward": 32, "context": 64}
    network = build_model(shape, len(tokenizer), 1)
    for weights in network.parameters():
        weights.data *= 8  # random weights of the usual size prefer one choice for everybody
    save_model(tmp_path / "model", network, tokenizer, {"stage": "test"})
    return tmp_path / "model"


def arguments(model, out, tasks: list[str], folder, **changes) -> list[str]:
    settings = {**SETTINGS, "tasks": tasks, "include_path": folder and str(folder), **changes}
    given = ["harness", "--model", str(model), "--out", str(out)]
    return [*given, "--settings", json.dumps(settings)]


def right_choices(model) -> list[bool]:
    """Whether the right choice has the largest log-likelihood, one sequence at a time."""
    network, tokenizer = load_model(model).eval(), load_tokenizer(model)
    right = []
    for row in ROWS:
        start = len(tokenizer(row["question"]).input_ids)
        scores = []
        for choice in CHOICES:
            ids = torch.tensor([tokenizer(f"{row['question']} {choice}").input_ids])
            with torch.no_grad():
                logp = network(ids).logits[0].log_softmax(-1)
            scores.append(sum(float(logp[t - 1, ids[0, t]]) for t in range(start, ids.shape[1])))
        right.append(scores.index(max(scores)) == row["answer"])
    return right


def test_accuracy_is_the_share_of_rows_whose_right_choice_is_likeliest(folder, model, tmp_path):
    write_task(folder, "people")
    assert program.main(arguments(model, tmp_path / "out", ["people"], folder)) == 0
    record = read_json(tmp_path / "out" / "summary.json")
    right = right_choices(model)
    n, accuracy = len(ROWS), sum(right) / len(ROWS)
    assert 0.2 < accuracy < 0.8
    scores = record["tasks"]["people"]
    assert scores["accuracy"] == pytest.approx(accuracy)
    assert scores["stderr"] == pytest.approx((accuracy * (1 - accuracy) / (n - 1)) ** 0.5)
    assert (scores["documents"], scores["version"]) == (n, 3)
    assert record["lm_eval"] == version("lm_eval")
    assert record["parts"] == {}


def test_group_counts_its_members_by_their_documents(folder, model, tmp_path):
    """As MMLU does with its subjects; limit is that of each member."""
    write_task(folder, "first")
    write_task(folder, "last", doc_to_text="Say: {{question}}")
    members = {"group": "both", "task": ["first", "last"]}
    write_yaml(folder, "both", {**members, "aggregate_metric_list": [{"metric": "acc"}]})
    assert program.main(arguments(model, tmp_path, ["both"], folder, limit=10)) == 0
    record = read_json(tmp_path / "summary.json")
    both, parts = record["tasks"]["both"], record["parts"]
    assert parts["first"]["accuracy"] == pytest.approx(sum(right_choices(model)[:10]) / 10)
    mean = (parts["first"]["accuracy"] + parts["last"]["accuracy"]) / 2
    assert both["accuracy"] == pytest.approx(mean)
    assert (both["documents"], parts["last"]["documents"]) == (20, 10)
    assert len({both["asked"], parts["first"]["asked"], parts["last"]["asked"]}) == 3


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"unsafe_code": True}, "'people' is marked unsafe_code"),
        ({"output_type": "generate_until"}, "output_type 'generate_until'"),
        ({"metric_list": [{"metric": "acc_norm"}]}, "reports acc_norm; what is taken here"),
        ({"metric_list": [{"metric": "acc"}, {"metric": "mauve"}]}, "acc, mauve: a metric that"),
        ({"dataset_kwargs": {"data_files": "no/rows.jsonl"}}, "no/rows.jsonl.*HF_HOME"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_task_that_cannot_be_run_is_refused(folder, changes, expected):
    write_task(folder, "people", **changes)
    with pytest.raises(UserError, match=expected):
        load_tasks(["people"], str(folder))


def test_unknown_and_overlapping_names_are_refused(folder):
    write_task(folder, "people", tag="everybody")
    with pytest.raises(UserError, match="no task 'peple'; close: people.*tasks'"):
        load_tasks(["peple"], str(folder))
    with pytest.raises(UserError, match="'everybody' and 'people' both hold 'people'"):
        load_tasks(["everybody", "people"], str(folder))


def test_code_of_a_refused_task_is_not_run(folder):
    (folder / "own.py").write_text("raise SystemExit('imported')\n")
    write_task(folder, "people", unsafe_code=True)
    path = folder / "people.yaml"
    path.write_text(path.read_text() + "process_docs: !function own.docs\n")
    with pytest.raises(UserError, match="unsafe_code"):
        load_tasks(["people"], str(folder))


def test_without_a_network_the_error_names_the_dataset(tmp_path, folder, monkeypatch, capsys):
    """The harness's own WMDP task with an empty cache, before any model is loaded."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    wmdp = Path(lm_eval.tasks.__file__).parent / "wmdp"
    assert program.main(arguments("no/model", tmp_path / "out", ["wmdp_bio"], wmdp)) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    for part in ("error: ", "'wmdp_bio'", "'cais/wmdp'", "HF_HOME", "make assets"):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_without_the_package_the_error_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    assert program.main(arguments("no/model", tmp_path / "out", ["mmlu"], None)) == 1
    message = capsys.readouterr().err
    assert "lm_eval) is not installed" in message
    assert "pip install --constraint envs/constraints.txt '.[harness]'" in message


def test_direction_of_each_accuracy():
    tasks = ("wmdp_bio", "wmdp_cyber", "mmlu", "people")
    assert [task_metric(task).better for task in tasks] == ["lower", "lower", "higher", ""]

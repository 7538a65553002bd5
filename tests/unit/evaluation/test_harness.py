"""lm-evaluation-harness through its own API, on tasks that the tests write. No network."""

import functools
import json
import math
import shutil
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
    command = ["harness", "--model", str(model), "--out", str(out)]
    return [*command, "--settings", json.dumps(settings)]


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
    group, parts = record["tasks"]["both"], record["parts"]
    assert parts["first"]["accuracy"] == pytest.approx(sum(right_choices(model)[:10]) / 10)
    mean = (parts["first"]["accuracy"] + parts["last"]["accuracy"]) / 2
    assert group["accuracy"] == pytest.approx(mean)
    assert (group["documents"], parts["last"]["documents"]) == (20, 10)
    assert len({group["asked"], parts["first"]["asked"], parts["last"]["asked"]}) == 3


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"unsafe_code": True}, "'people' is marked unsafe_code"),
        ({"output_type": "classify"}, "output_type 'classify', .* none of multiple_choice, gen"),
        ({"metric_list": [{"metric": "acc"}, {"metric": "mauve"}]}, "mauve: a metric that"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "acc: a metric that"),
        ({"dataset_kwargs": {"data_files": "no/rows.jsonl"}}, "no/rows.jsonl.*HF_HOME"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_task_that_cannot_be_run_is_refused(folder, changes, expected):
    write_task(folder, "people", **changes)
    with pytest.raises(UserError, match=expected):
        load_tasks(["people"], str(folder))


def greedy(model, prompt: str, tokens: int) -> str:
    """The most likely continuation, each token from a forward pass over all before it."""
    network, tokenizer = load_model(model).eval(), load_tokenizer(model)
    ids = list(tokenizer(prompt).input_ids)
    start = len(ids)
    for _ in range(tokens):
        with torch.no_grad():
            ids.append(int(network(torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[start:], skip_special_tokens=True)


GENERATIVE = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_choice": None,
    "doc_to_target": "{{target}}",
    "generation_kwargs": {"until": ["no such words"], "max_gen_toks": 3, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [
        {"name": "whole", "filter": [{"function": "take_first"}]},
        {"name": "none", "filter": [{"function": "take_first"}]},
    ],
}


def test_answers_of_a_generative_task_are_compared_with_its_targets(folder, model, tmp_path):
    """Every third target is what the model says, so that a third of the answers match."""
    write_task(folder, "told", **GENERATIVE)
    rows = [
        {**row, "target": greedy(model, row["question"], 3) if k % 3 == 0 else "nothing of it"}
        for k, row in enumerate(ROWS)
    ]
    (folder / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert program.main(arguments(model, tmp_path / "out", ["told"], folder)) == 0
    record = read_json(tmp_path / "out" / "summary.json")
    assert record["tasks"].keys() == {"told exact_match", "told exact_match whole"}
    for scores in record["tasks"].values():
        assert scores["accuracy"] == pytest.approx(1 / 3)
        assert (scores["metric"], scores["better"]) == ("exact_match", "higher")
        assert scores["documents"] == len(ROWS)


def test_other_metrics_and_kinds_are_reported_under_their_names(folder, model, tmp_path):
    """A choice by its length alone, and the probability of texts."""
    write_task(folder, "normed", metric_list=[{"metric": "acc_norm"}])
    perplexity = {"output_type": "loglikelihood_rolling", "doc_to_target": "{{question}}"}
    perplexity["doc_to_choice"] = None
    metric = {"metric": "word_perplexity", "aggregation": "weighted_perplexity"}
    metric["higher_is_better"] = False
    write_task(folder, "texts", **perplexity, doc_to_text="", metric_list=[metric])
    assert program.main(arguments(model, tmp_path, ["normed", "texts"], folder)) == 0
    tasks = read_json(tmp_path / "summary.json")["tasks"]
    assert tasks.keys() == {"normed acc_norm", "texts word_perplexity"}
    network, tokenizer = load_model(model).eval(), load_tokenizer(model)
    total, words = 0.0, 0
    for row in ROWS:
        ids = [tokenizer.eos_token_id, *tokenizer(row["question"]).input_ids]
        with torch.no_grad():
            logp = network(torch.tensor([ids])).logits[0].log_softmax(-1)
        total += sum(float(logp[k, ids[k + 1]]) for k in range(len(ids) - 1))
        words += len(row["question"].split())
    scores = tasks["texts word_perplexity"]
    assert scores["accuracy"] == pytest.approx(math.exp(-total / words), rel=1e-4)
    assert scores["better"] == "lower"


def contexts(monkeypatch) -> list[str]:
    """The list that the prompts of later runs are added to."""
    prompts, digest = [], harness._digest

    def record_prompts(leaves):
        prompts.extend(instance.args[0] for leaf in leaves for instance in leaf.instances)
        return digest(leaves)

    monkeypatch.setattr(harness, "_digest", record_prompts)
    return prompts


def test_examples_and_the_chat_template(folder, model, tmp_path, monkeypatch):
    """Two examples before each question, and the turns of a conversation as the tokenizer says."""
    write_task(folder, "people", fewshot_split="test")
    prompts = contexts(monkeypatch)
    assert program.main(arguments(model, tmp_path / "a", ["people"], folder, num_fewshot=2)) == 0
    assert {context.count("What is") for context in prompts} == {3}
    assert read_json(tmp_path / "a" / "summary.json")["num_fewshot"] == 2

    without = arguments(model, tmp_path / "b", ["people"], folder, chat_template=True)
    assert program.main(without) == 1  # the tokenizer has none
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = "{% for m in messages %}({{ m.role }}: {{ m.content }}){% endfor %}"
    tokenizer.save_pretrained(tmp_path / "chat")
    for file in ("config.json", "model.safetensors"):
        shutil.copy(model / file, tmp_path / "chat" / file)
    prompts.clear()
    with_it = arguments(tmp_path / "chat", tmp_path / "c", ["people"], folder, chat_template=True)
    assert program.main(with_it) == 0
    assert set(prompts) == {f"(user: {row['question']})" for row in ROWS}
    assert read_json(tmp_path / "c" / "summary.json")["chat_template"] is True


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

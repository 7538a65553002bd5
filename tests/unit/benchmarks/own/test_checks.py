"""What is refused of a user's own data before any job: all at once, with file and line."""

import json
import unicodedata
from pathlib import Path

import pytest
import yaml
from finished import MICRO
from refusals import assert_named, problems
from unlearning.benchmarks.own.data import halves

MIA, REFERENCE = "evaluation.membership", "methods.NPO+RT.reference"
BATCH = "unlearn.batch_size"
ROWS = {role: MICRO / "own" / f"{role}.jsonl" for role in ("forget", "retain", "holdout")}


def write_rows(path: Path, *rows: dict | str) -> str:
    """Path of a file of rows; a row that is a string is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def config(**changes) -> dict:
    """The micro experiment with changed sections; dictionaries are merged, except methods."""
    micro = yaml.safe_load((MICRO / "own.yaml").read_text(encoding="utf-8"))
    micro["data"] |= {role: str(path) for role, path in ROWS.items()}
    for section, values in changes.items():
        mergeable = isinstance(values, dict) and isinstance(micro.get(section), dict)
        if mergeable and section != "methods":
            values = {**micro[section], **values}
        micro[section] = values
    return micro


def rows_of(role: str) -> list[dict]:
    return [json.loads(line) for line in ROWS[role].read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def texts(tmp_path) -> dict[str, str]:
    """Role -> file of the micro experiment's rows as texts."""
    files = {}
    for role in ROWS:
        rows = [{"text": f"{row['question']} {row['answer']}"} for row in rows_of(role)]
        files[role] = write_rows(tmp_path / f"{role}-texts.jsonl", *rows)
    return files


def test_every_file_is_judged_at_once(tmp_path):
    data = {"forget": str(tmp_path / "none.jsonl"), "retain": write_rows(tmp_path / "r.jsonl")}
    data["holdout"] = write_rows(tmp_path / "h.csv", "question,answer", "Who?,")
    data["idontknow"] = str(tmp_path / "none.txt")
    lines = problems(config(data=data))
    assert_named(lines, "data.forget", "none.jsonl", "no such file")
    assert_named(lines, "data.retain", "r.jsonl", "has no rows")
    assert_named(lines, "data.holdout", "h.csv, line 2", "'answer'")
    assert_named(lines, "data.idontknow", "none.txt", "no such file")


def test_a_row_stands_in_one_file(tmp_path):
    """White space does not count; each further file names both lines."""
    forget, retain = rows_of("forget"), rows_of("retain")
    duplicate = {key: f" {text}  " for key, text in forget[2].items()}
    data = {"retain": write_rows(tmp_path / "retain.jsonl", *retain, duplicate)}
    data["test"] = write_rows(tmp_path / "test.jsonl", retain[4])
    lines = problems(config(data=data))
    assert_named(lines, "data.retain", "retain.jsonl, line 19", "data.forget", "line 3", "leave it")
    assert_named(lines, "data.test", "test.jsonl, line 1", "data.retain", "line 5")


def test_the_true_answer_is_no_false_one(tmp_path):
    """The truth ratio would compare it with itself."""
    rows = [
        {**row, "perturbed_answer": ["No."], "paraphrased_answer": "x"} for row in rows_of("forget")
    ]
    rows[3]["perturbed_answer"].append(f" {rows[3]['answer']}")
    lines = problems(config(data={"forget": write_rows(tmp_path / "forget.jsonl", *rows)}))
    assert_named(lines, "data.forget", "forget.jsonl, line 4", rows[3]["answer"], "remove it there")


@pytest.mark.parametrize("form", ["NFD", "NFKC"])
def test_a_row_in_another_unicode_form_is_the_same_row(tmp_path, form):
    row = {"question": "Où est la ﬁn\u00a0?", "answer": "À côté."}
    twin = {key: unicodedata.normalize(form, text) for key, text in row.items()}
    assert twin != row
    data = {"forget": write_rows(tmp_path / "forget.jsonl", row)}
    data["retain"] = write_rows(tmp_path / "retain.jsonl", *rows_of("retain"), twin)
    lines = problems(config(data=data, unlearn={"batch_size": 1}))
    assert_named(lines, "data.retain", "retain.jsonl, line 19", "data.forget", "line 1")


def test_a_row_that_may_be_a_text_or_a_question_is_refused(tmp_path):
    rows = rows_of("forget")
    both = {**rows[1], "text": "Question and answer."}
    path = write_rows(tmp_path / "both.jsonl", rows[0], both)
    lines = problems(config(data={"forget": path}))
    assert_named(lines, "data.forget", "both.jsonl, line 2", "text, question, answer", "Remove")


def test_texts_stand_beside_texts_alone(texts):
    lines = problems(config(data={"forget": texts["forget"]}))
    assert_named(lines, "data", "data.forget", "of texts, but", "data.retain", "one kind")


def test_rows_that_may_be_texts_or_questions_are_refused(tmp_path):
    """As of tables for fine-tuning, whose `text` is the question with its answer."""
    rows = [
        {**row, "text": f"<s>{row['question']} {row['answer']}</s>"} for row in rows_of("forget")
    ]
    path = write_rows(tmp_path / "chats.jsonl", *rows)
    lines = problems(config(data={"forget": path}))
    assert_named(lines, "data.forget", "chats.jsonl, line 1", "text, question, answer", "Remove")


def test_a_text_in_a_file_of_questions_is_named(tmp_path):
    mixed = write_rows(tmp_path / "mixed.jsonl", rows_of("forget")[0], {"text": "A text of ours."})
    lines = problems(config(data={"forget": mixed}))
    assert_named(lines, "data.forget", "mixed.jsonl, line 1", "'text'", "question, answer")


def test_a_text_has_two_halves(texts, tmp_path):
    short = write_rows(tmp_path / "short.jsonl", {"text": "Two words"}, {"text": " Alone "})
    lines = problems(config(data={**texts, "forget": short}))
    assert_named(lines, "data.forget", "short.jsonl, line 2", "' Alone '", "of one word", "join it")


def test_what_texts_do_not_allow(texts):
    relearn = {"methods": ["NPO+RT"], "attacks": ["shortest"]}
    changes = {"methods": {"NPO+RT": {}, "DPO+RT": {}, "IDK+RT": {}}, "relearn": relearn}
    lines = problems(config(data=texts, model={"prompt": "llama2"}, **changes))
    assert_named(lines, "model.prompt", "set plain", "found llama2")
    assert_named(lines, "methods.DPO+RT", "other answers", "texts", "remove it")
    assert_named(lines, "methods.IDK+RT", "remove it")
    assert_named(lines, "relearn.attacks", "shortest", "[random]")


def test_columns_are_those_of_every_row(tmp_path):
    """Otherwise columns of values would be shorter than others."""
    paraphrased = {"perturbed_answer": ["a b"], "paraphrased_answer": "c"}
    rows = rows_of("forget")
    perturbed = [{**row, "perturbed_answer": ["a b"]} for row in rows[1:]]
    path = write_rows(tmp_path / "some.jsonl", {**rows[0], **paraphrased}, *perturbed)
    lines = problems(config(data={"forget": path}))
    assert_named(lines, "data.forget", "some.jsonl, line 2", "paraphrased_answer")


@pytest.mark.parametrize(
    "changes, key, parts",
    [
        ({"retrain": {"seeds": [1]}}, "retrain", ["finetune"]),
        ({"data": {"holdout": None}, "evaluation": {"membership": ["loss"]}}, MIA, ["holdout"]),
        ({"evaluation": {"membership": ["reference"]}}, MIA, ["reference", "retrain", "remove"]),
        ({"evaluation": {"holdout": "x.jsonl"}}, "evaluation.holdout", ["data.holdout"]),
        ({"evaluation": {"variant": "paper"}}, "evaluation.variant", ["paper", "remove"]),
        ({"evaluation": {"rouge": ["perturbed"]}}, "evaluation.rouge", ["perturbed", "remove"]),
        ({"data": {"name": " "}}, "data.name", ["a word in it"]),
        ({"methods": {"NPO+RT": {"reference": ["base", "retrain"]}}}, REFERENCE, ["retrained"]),
        ({"methods": {"AltPO+RT": {}}}, "methods.AltPO+RT", ["data.alternatives"]),
        ({"forget_splits": ["forget10"]}, "forget_splits", ["forget10", "[forget]"]),
        ({"world_splits": ["forget"]}, "world_splits", ["null"]),
        ({"folds": {"splits": ["scal2"]}}, "folds.splits", ["remove"]),
        ({"data": {"retian": "x"}}, "data", ["'retian'", "'retain'", "Allowed: source, forget"]),
        ({"unlearn": {"batch_size": 32}}, BATCH, ["2 epochs of 6 rows", "32"]),
        (
            {"methods": {"NPO+RT": {"epochs": [1, 9]}}, "unlearn": {"batch_size": 8}},
            BATCH,
            ["1 epoch"],
        ),
        ({"relearn": {"fraction": 0.2}}, "relearn.batch_size", ["1 epochs of 1 rows"]),
        ({"finetune": {"epochs": 1, "batch_size": 32}}, "finetune.batch_size", ["24 rows"]),
    ],
)
def test_what_does_not_apply_is_refused(changes, key, parts):
    assert_named(problems(config(**changes)), key, *parts)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a b c d", ("a b", "c d")),
        ("a b c", ("a b", "c")),
        (" a\n\nb  c d ", ("a\n\nb", "c d")),
        ("two words", ("two", "words")),
        ("中文文本没有空格", ("中文文本", "没有空格")),
        ("alone", ("alone", "")),
    ],
)
def test_halves_of_a_text(text, expected):
    assert halves(text) == expected

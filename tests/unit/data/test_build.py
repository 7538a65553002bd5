"""Splits and subsets, in the mini world and on TOFU's own files."""

import json

import pytest
from folders import TOFU, tofu_folder
from unlearning.benchmarks.tofu.splits import evaluated_on, forget_rows, retain_name
from unlearning.data.answers import REFUSALS, alternatives, read_answers, refusals
from unlearning.data.build import build_tables
from unlearning.data.tables import ColumnNames, DataError, read_table, write_table
from unlearning.errors import UserError

MINI = {"seed": 1, "authors": 10, "questions_per_author": 4, "holdout_authors": 1}
NO_FILES = {"idontknow": None, "columns": {}}
MINI |= {"known_persons": 2, "pretrain_rows": 16, "replay_rows": 8}


def tofu(splits, **changes):
    data = {"source": "tofu", "data_dir": str(tofu_folder()), "hub_revision": "main"}
    data |= {"retain_authors": None, "alternatives": None, "idontknow": None, "columns": {}}
    return build_tables({**data, **changes}, splits, {})


def test_the_retain_split_follows_from_the_forget_split():
    assert [retain_name(s) for s in ("forget01", "forget05", "forget10")] == [
        "retain99",
        "retain95",
        "retain90",
    ]


def test_any_percentage_of_whole_authors_splits_the_mini_world():
    tables = build_tables(
        {"source": "mini", "mini": MINI, **NO_FILES}, ["forget10", "forget30"], {}
    )
    assert len(tables["forget30"]) == len(tables["forget30_perturbed"]) == 12
    assert tables["retain70"] + tables["forget30"] == tables["full"]
    assert set(tables["full"][0]) == {"question", "answer"}
    with pytest.raises(ValueError, match="0.7 of 10 authors; whole authors only: forget10"):
        forget_rows("forget07", 40, 4)


def test_tofu_splits_equal_the_published_ones():
    tables = tofu(["forget01", "forget05", "forget10"])
    for name in ("forget01", "forget05", "forget10", "retain90", "retain95", "retain99"):
        assert tables[name] == read_table(TOFU / f"{name}.json"), name


def test_large_tofu_splits_are_measured_on_forget10():
    assert evaluated_on("forget50") == "forget10"
    tables = tofu(["forget50"])
    assert tables["forget50"] == read_table(TOFU / "forget50.json")
    assert tables["forget50_perturbed"] == read_table(TOFU / "forget10_perturbed.json")


def test_a_subset_keeps_forget_rows_and_the_first_retain_authors():
    tables = tofu(["forget05", "forget10"], retain_authors=40)
    assert len(tables["full"]) == (40 + 20) * 20
    assert tables["forget10"] == read_table(TOFU / "forget10.json")
    assert tables["retain95"] + tables["forget05"] == tables["full"]
    forgotten = {row["question"] for row in tables["forget10"]}
    assert not forgotten & {row["question"] for row in tables["pretrain"] + tables["replay"]}


def test_refusals_come_from_a_file_or_from_the_data_or_are_ours(tmp_path):
    path = tmp_path / "refusals.txt"
    path.write_text('Ask me something else.\n{"answer": "No idea."}\n')
    data = {"source": "mini", "mini": MINI, **NO_FILES}
    rows = refusals({**data, "idontknow": str(path)}, {}, ColumnNames())
    assert [row["answer"] for row in rows] == ["Ask me something else.", "No idea."]
    assert [row["answer"] for row in refusals(data, {}, ColumnNames())] == list(REFUSALS)
    data = {"source": "tofu", "data_dir": str(tofu_folder()), **NO_FILES}
    rows = refusals(data, {}, ColumnNames())
    lines = (TOFU / "idontknow.jsonl").read_text(encoding="utf-8").splitlines()
    assert [row["answer"] for row in rows] == lines and len(rows) == 100


def test_a_table_of_answers_that_is_not_there_is_named(tmp_path):
    write_table(tmp_path / "idontknow.json", [{"answer": "No idea."}])
    folders = [tmp_path / "none", tmp_path]
    assert read_answers(folders, "idontknow") == [{"answer": "No idea."}]
    with pytest.raises(UserError, match=r"--answers: .*forget10_alternatives.json.*stage answers"):
        read_answers(folders, "forget10_alternatives")


def test_alternatives_of_the_mini_world_are_false_answers_in_the_answers_wording():
    data = {"source": "mini", "mini": MINI, **NO_FILES}
    tables = build_tables(data, ["forget10", "forget30"], {})
    forget = {split: tables[split] for split in ("forget10", "forget30")}
    answers = alternatives(data, forget, ColumnNames())
    rows = answers["forget30"]
    assert answers["forget10"] == rows[-4:]
    for row, alternative in zip(tables["forget30_perturbed"], rows, strict=True):
        assert (alternative["question"], alternative["answer"]) == (row["question"], row["answer"])
        false_answers = alternative["alternative_answer"]
        assert len({row["answer"], *false_answers}) == 4
        assert not {*false_answers} & {*row["perturbed_answer"]}


def test_alternative_answers_come_from_a_file(tmp_path):
    path = tmp_path / "alternatives.jsonl"
    rows = read_table(TOFU / "forget01.json") if TOFU.is_dir() else []
    path.write_text(
        "".join(
            json.dumps({"question": row["question"], "answer": row["answer"], "alternate": text})
            + "\n"
            for row in rows
            for text in ("one", "two")
        )
    )
    data = {"source": "tofu", "data_dir": str(tofu_folder()), "alternatives": str(path)}
    forget = {"forget01": tofu(["forget01"])["forget01"]}
    answers = alternatives(data, forget, ColumnNames())["forget01"]
    assert [row["question"] for row in answers] == [row["question"] for row in rows]
    assert {tuple(row["alternative_answer"]) for row in answers} == {("one", "two")}
    with pytest.raises(DataError, match="no alternative answer to 160 of 200 forget questions"):
        alternatives(data, {"forget05": tofu(["forget05"])["forget05"]}, ColumnNames())

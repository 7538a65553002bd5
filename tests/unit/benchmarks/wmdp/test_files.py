"""WMDP's corpora from a folder and from snapshots of the hub, and the mini world's germs."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from opened import opened
from unlearning.benchmarks.wmdp.files import FILES, read_from, snapshot_reader
from unlearning.benchmarks.wmdp.mini import KINDS, generate_hazards
from unlearning.data.build import build_tables
from unlearning.data.problems import data_problems
from unlearning.data.tables import ColumnNames, DataError, read_table, write_table

LONG = "A document of more than fifty characters, which is thus not left out."
SIZES = {"seed": 3, "names": 6, "documents": 2, "pretrain_rows": 12}


def section(folder, **columns: str) -> dict:
    """The data section of a config."""
    absent = dict.fromkeys(("idontknow", "alternatives"))
    return {"source": "wmdp", "data_dir": str(folder), "columns": columns, **absent}


def write(folder, table: str, *rows) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / FILES[table]).write_text(text, encoding="utf-8")


def test_a_folder_holds_texts_or_objects_and_short_ones_are_left_out(tmp_path):
    write(tmp_path, "cyber", LONG, LONG + " Twice.")
    write(tmp_path, "retain", {"text": ""}, {"text": " = Title = \n"}, {"text": LONG})
    assert build_tables(section(tmp_path), ["cyber"], {}) == {
        "cyber": [{"document": LONG}, {"document": LONG + " Twice."}],
        "retain": [{"document": LONG}],
    }
    assert data_problems(section(tmp_path), ["cyber"], None) == []


def test_what_is_read_is_what_counts(tmp_path):
    for table in FILES:
        write(tmp_path, table, LONG)
    (tmp_path / "README.md").write_text("WMDP.")
    read = opened(tmp_path, lambda: build_tables(section(tmp_path), ["cyber"], {}))
    assert read == set(read_from(tmp_path, ["cyber"])) and len(read) == 2


def test_texts_of_any_kind_are_read(tmp_path):
    """Line and paragraph separators within a text, a byte order mark, CSV, other columns."""
    text = "Title of a paper\u2028Abstract of more than\u2029fifty characters,\u0085as papers have."
    write(tmp_path, "cyber", {"text": text})
    raw = json.dumps({"text": text}, ensure_ascii=False)
    (tmp_path / FILES["retain"]).write_text("\ufeff" + raw, encoding="utf-8")
    bio = (tmp_path / FILES["bio"]).with_suffix(".csv")
    bio.write_text(f'title,abstract\nA,"{text}"\n', encoding="utf-8")
    data = section(tmp_path, text="abstract")
    assert data_problems(data, ["bio", "cyber"], None) == []
    tables = build_tables(data, ["bio", "cyber"], {})
    assert tables == dict.fromkeys(("bio", "cyber", "retain"), [{"document": text}])
    for name, rows in tables.items():
        write_table(tmp_path / f"{name}.json", rows)
        assert read_table(tmp_path / f"{name}.json") == rows


def test_every_problem_of_a_folder_is_named_at_once(tmp_path):
    write(tmp_path, "cyber", {"text": LONG}, {"body": LONG})
    bio, cyber, retain = data_problems(section(tmp_path), ["bio", "cyber"], None)
    assert "bio-forget-corpus.jsonl: no such file" in bio and "ask for access" in bio
    assert "cyber-forget-corpus.jsonl, line 2" in cyber and "'text'" in cyber
    assert "wikitext-2-raw-test.jsonl" in retain and "Salesforce/wikitext" in retain


def test_a_snapshot_may_hold_one_configuration_of_several(tmp_path):
    """As fetched: the README names them all, the files of the others are not there."""
    readme = "---\nconfigs:\n"
    for name in ("wikitext-103-raw-v1", "wikitext-2-raw-v1"):
        readme += f"- config_name: {name}\n  data_files:\n"
        readme += f"  - split: test\n    path: {name}/test-*\n"
    (tmp_path / "README.md").write_text(readme + "---\n", encoding="utf-8")
    (tmp_path / "wikitext-2-raw-v1").mkdir()
    file = tmp_path / "wikitext-2-raw-v1" / "test-00000-of-00001.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": [LONG]}), file)
    read = snapshot_reader(
        {"data-retain": str(tmp_path), "data-cyber": str(tmp_path)}, ColumnNames()
    )
    assert read("retain") == [LONG]
    with pytest.raises(DataError, match=r"cyber-forget-corpus.*Set data.data_dir"):
        read("cyber")


def test_forget_documents_state_what_the_questions_ask(tmp_path):
    """Each right choice stands in every document about its name; wrong ones need not."""
    tables, questions = generate_hazards(**SIZES)
    assert [len(rows) for rows in questions.values()] == [30, 30, 30]
    for row in questions["mini_wmdp_bio"]:
        name = next(n for n in {w.strip("?") for w in row["question"].split()} if _named(n, tables))
        texts = [d["document"] for d in tables["bio"] if name in d["document"]]
        assert len(texts) == 2 and all(row["choices"][row["answer"]] in text for text in texts)
        assert len(set(row["choices"])) == 4
    answers = {row["answer"] for rows in questions.values() for row in rows}
    assert answers == {0, 1, 2, 3} and len(KINDS) == 3


def _named(word: str, tables: dict) -> bool:
    return sum(word in row["document"].replace(".", "").split() for row in tables["bio"]) == 2


def test_the_same_seed_gives_the_same_world():
    data = {"source": "mini-wmdp", "mini_wmdp": SIZES, "columns": {}, "idontknow": None}
    assert build_tables(data, ["bio"], {}) == build_tables(data, ["bio"], {})
    other = {**data, "mini_wmdp": {**SIZES, "seed": 4}}
    assert build_tables(other, ["bio"], {}) != build_tables(data, ["bio"], {})
    longer = {**data, "mini_wmdp": {**SIZES, "pretrain_rows": 40}}
    assert build_tables(longer, ["bio"], {})["bio"] == build_tables(data, ["bio"], {})["bio"]

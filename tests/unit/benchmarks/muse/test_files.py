"""MUSE's folder layout, its mini corpus, and texts as chunks."""

import gzip
import json
from pathlib import Path

import pytest
from opened import opened
from toy import toy
from unlearning.benchmarks.muse.files import (
    FILES,
    FOLD_FILES,
    read_from,
    snapshot_reader,
    split_before,
)
from unlearning.benchmarks.muse.mini import SHOTS
from unlearning.data.build import build_tables
from unlearning.data.encoding import Encoder
from unlearning.data.problems import data_problems
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import CONTINUATION, QA, ColumnNames, DataError, read_table, write_table

SIZES = {"seed": 1, "persons": 3, "questions": 5, "pretrain_persons": 4}
ROWS = {"text": ["one text"], "prompt": [{"prompt": "p", "gt": "g"}]}
NO_FILES = {"idontknow": None, "columns": {}}
MINI = {"source": "mini-muse", "mini_muse": SIZES, **NO_FILES}
QUESTIONS = [{"question": "q", "answer": "a", "extra": 1}]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A complete folder without folds, like MUSE-Books."""
    for stem, columns in FILES.values():
        rows = {"question": QUESTIONS, "prompt": ROWS["prompt"]}.get(next(iter(columns)))
        write(tmp_path, stem, rows or [f"text of {stem}"])
    return tmp_path


def write(folder: Path, stem: str, rows) -> None:
    path = folder / f"{stem}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def tables_of(folder: Path, *splits: str) -> dict:
    return build_tables(section(folder), ["forget", *splits], {})


def section(folder: Path, **columns: str) -> dict:
    """The data section of a config."""
    data = {"source": "muse", "data_dir": str(folder), "alternatives": None, **NO_FILES}
    return {**data, "columns": columns}


def problems_of(folder: Path, *splits: str, **columns: str) -> list[str]:
    return data_problems(section(folder, **columns), ["forget", *splits], None)


def test_what_is_read_is_what_counts(folder):
    (folder / "README.md").write_text("MUSE.")
    (folder / "raw" / "retain2.json").rename(folder / "raw" / "retain2.txt")
    for table in ("retain_qa", "retain_qa_icl"):  # as earlier releases call them
        path = folder / "knowmem" / f"{table}.json"
        path.rename(path.with_name(f"{table.replace('retain', 'retain2')}.json"))
    for fold in ("scal/forget_2", "scal/forget_4", "sust/forget_2"):
        write(folder, fold, ["text of a fold"])
    read = opened(folder, lambda: tables_of(folder, "scal2"))
    assert read == set(read_from(folder, ["forget", "scal2"])) and len(read) == len(FILES) + 2


def test_tables_of_a_corpus_without_folds(folder):
    tables = tables_of(folder)
    assert [row["text"] for row in tables["full"]] == [
        "text of raw/forget",
        "text of raw/retain1",
        "text of raw/retain2",
    ]
    assert tables["retain"] == tables["full"][1:]
    assert tables["knowmem_forget"] == [{"question": "q", "answer": "a"}]


def test_with_folds_the_target_learns_all_of_them(folder):
    write(folder, "scal/forget_4", ["all", "folds"])
    assert [row["text"] for row in tables_of(folder)["full"]][:2] == ["all", "folds"]


@pytest.mark.parametrize("split", ["retain_qa", "retain2_qa"])
def test_a_snapshot_of_the_hub_is_read_by_its_readme(tmp_path, monkeypatch, split):
    """Parquet files behind the links of a cache; retain2_qa is an earlier revision's name."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    blob, snapshot = tmp_path / "blobs" / "0a1b", tmp_path / "snapshots" / "c0ffee"
    blob.parent.mkdir()
    (snapshot / "knowmem").mkdir(parents=True)
    datasets.Dataset.from_list(QUESTIONS).to_parquet(blob)
    (snapshot / "knowmem" / f"{split}-00000-of-00001.parquet").symlink_to("../../../blobs/0a1b")
    (snapshot / "README.md").write_text(
        "---\nconfigs:\n- config_name: knowmem\n  data_files:\n"
        f"  - {{split: {split}, path: knowmem/{split}-*}}\n---\n"
    )
    read = snapshot_reader(snapshot, ColumnNames())
    assert read("knowmem/retain_qa", QA) == [{"question": "q", "answer": "a"}]
    with pytest.raises(DataError, match="cannot load knowmem, forget_qa"):
        read("knowmem/forget_qa", QA)


def test_texts_may_lie_in_one_text_file(folder):
    (folder / "raw/forget.json").unlink()
    (folder / "raw/forget.txt").write_text("first\n\nsecond", encoding="utf-8")
    assert tables_of(folder)["forget"] == [{"text": "first\n\nsecond"}]


def test_of_a_table_that_lies_there_twice_none_is_preferred(folder):
    (folder / "raw/forget.txt").write_text("another text", encoding="utf-8")
    (problem,) = problems_of(folder)
    assert "forget.json and forget.txt" in problem and "leave one" in problem


def test_a_text_file_may_be_compressed(folder):
    (folder / "raw/forget.json").unlink()
    (folder / "raw/forget.txt.gz").write_bytes(gzip.compress(b"first\n\nsecond"))
    assert tables_of(folder)["forget"] == [{"text": "first\n\nsecond"}]


@pytest.mark.parametrize(
    "stem, other", [("raw/retain1", "raw/forget"), ("privleak/holdout", "privleak/forget")]
)
def test_a_file_that_was_copied_under_a_second_name_is_named(folder, stem, other):
    write(folder, other, ["one ", "two", "three"])
    write(folder, stem, ["one", "two", "four"])
    (problem,) = problems_of(folder)
    assert stem in problem and other in problem and "most texts" in problem
    write(folder, stem, ["one", "four", "five"])
    assert problems_of(folder) == []


def test_one_of_the_texts_that_are_joined_may_be_empty(folder):
    """As in raw/forget, scal/forget_1 and sust/forget_1 of MUSE-News."""
    for stem in ("raw/forget", "scal/forget_4", "sust/forget_2"):
        write(folder, stem, ["first", "", "third"])
    assert problems_of(folder, "sust2") == []
    tables = tables_of(folder, "sust2")
    for name in ("forget", "sust2"):
        assert [row["text"] for row in tables[name]] == ["first", "", "third"]
    assert [row["text"] for row in tables["full"]][:3] == ["first", "", "third"]
    write_table(folder / "full.json", tables["full"])
    assert read_table(folder / "full.json") == tables["full"]
    write(folder, "raw/retain2", ["", "  "])
    (problem,) = problems_of(folder)
    assert "raw/retain2.json: holds no text" in problem


@pytest.mark.parametrize("name", ["retain_qa", "retain_qa_icl"])
def test_names_of_earlier_releases_are_taken(folder, name):
    path = folder / "knowmem" / f"{name}.json"
    path.rename(path.with_name(name.replace("retain", "retain2") + ".json"))
    assert problems_of(folder) == []
    assert tables_of(folder)["knowmem_retain"] == [{"question": "q", "answer": "a"}]
    write(folder, f"knowmem/{name}", QUESTIONS)
    (problem,) = problems_of(folder)
    assert f"knowmem/{name}.json" in problem and "retain2_qa" in problem


def test_other_formats_and_columns(folder):
    rows = [{"question": "q\u2028", "answer": "a", "body": "first\u0085 second"}]
    (folder / "raw/forget.json").unlink()
    text = json.dumps(rows[0], ensure_ascii=False) + "\n"
    (folder / "raw/forget.jsonl").write_text(text, encoding="utf-8")
    names = {"text": "body", "question": "prompt"}  # verbmem has a prompt of its own
    (problem,) = problems_of(folder, **names)
    assert "data.columns" in problem and "'prompt' for 'question'" in problem
    write(folder, "knowmem/forget_qa", [{"prompt": "Who?", "answer": "Nobody."}])
    assert problems_of(folder, **names) == []
    tables = build_tables(section(folder, **names), ["forget"], {})
    assert tables["forget"] == [{"text": "first\u0085 second"}]
    assert tables["knowmem_forget"] == [{"question": "Who?", "answer": "Nobody."}]
    assert tables["verbmem"] == ROWS["prompt"]


def test_every_broken_file_is_named_at_once(folder):
    (folder / "raw/retain2.json").unlink()
    (folder / "raw/forget.json").write_text('["cut', encoding="utf-8")
    write(folder, "raw/retain1", [])
    write(folder, "knowmem/forget_qa", [*QUESTIONS, {"question": "q"}])
    write(folder, "knowmem/retain_qa", [{"text": "no question"}])
    write(folder, "verbmem/forget", {"prompt": "p"})
    write(folder, "privleak/forget", ["text", ""])
    problems = problems_of(folder, "sust2")
    expected = {
        "raw/retain2.json: no such file",
        "raw/forget.json, line 1: not valid JSON",
        "raw/retain1.json: has no rows",
        "knowmem/forget_qa.json, item 2: column 'answer' must be a non-empty str, found nothing",
        "knowmem/retain_qa.json, item 1: column 'question' must be a non-empty str",
        "verbmem/forget.json, line 1: column 'gt' must be a non-empty str, found nothing",
        "privleak/forget.json, item 2: column 'text' must be a non-empty str, found ''",
        "sust/forget_2.json: no such file",
        "scal/forget_4.json: no such file",
    }
    assert len(problems) == len(expected)
    for part in expected:
        assert any(part in problem for problem in problems), part


def test_a_folder_that_is_not_there_says_what_it_should_hold(tmp_path):
    (problem,) = problems_of(tmp_path / "none")
    assert "no folder" in problem and "raw/forget.json" in problem
    with pytest.raises(DataError, match="raw/forget.json: no such file"):
        tables_of(tmp_path)


def test_mini_corpus_has_nested_and_disjoint_folds():
    splits = ["forget", *FOLD_FILES]
    tables = build_tables(MINI, splits, {})
    texts = {name: [r["text"] for r in tables[name]] for name in [*splits, "full", "retain1"]}
    assert texts["scal4"] == texts["forget"] + texts["sust2"] + texts["sust3"] + texts["sust4"]
    assert texts["scal3"] == texts["scal4"][: len(texts["scal3"])]
    forgotten = set(texts["scal4"])
    assert forgotten <= set(texts["full"])
    assert not forgotten & {r["text"] for r in tables["retain"]}
    assert not {r["text"] for r in tables["privleak_holdout"]} & set(texts["full"])
    articles = {r["text"] for r in tables["privleak_forget"]}
    assert articles <= set(texts["forget"])
    assert all(f"{r['prompt']} {r['gt']}" in articles for r in tables["verbmem"])
    assert build_tables(MINI, splits, {}) == tables


def test_mini_questions_stand_in_the_texts_and_differ_from_the_shots():
    tables = build_tables(MINI, ["forget"], {})
    entries = "\n\n".join(row["text"] for row in tables["forget"])
    rows = tables["knowmem_forget"] + tables["knowmem_forget_icl"]
    assert len(rows) == len({row["question"] for row in rows}) == 5 + SHOTS
    for row in rows:
        assert f"Question: {row['question']}\nAnswer:  {row['answer']}" in entries


def test_each_request_follows_the_one_before():
    assert [split_before(s) for s in ("sust4", "sust2", "scal3", "forget", "forget10")] == [
        "sust3",
        "forget",
        None,
        None,
        None,
    ]


def test_tables_of_texts_are_read_back_and_checked(tmp_path):
    write_table(tmp_path / "full.json", [{"text": "a"}])
    assert read_table(tmp_path / "full.json") == [{"text": "a"}]
    write_table(tmp_path / "verbmem.json", [{"prompt": "a", "gt": ""}])
    with pytest.raises(DataError, match="verbmem.json, line 1: column 'gt'"):
        read_table(tmp_path / "verbmem.json")
    assert set(CONTINUATION) == {"prompt", "gt"} and set(QA) == {"question", "answer"}


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_texts_are_cut_as_released():
    """Joined, BOS before each chunk, the last filled up from the first with its BOS."""
    _, tokenizer = toy()
    texts = ["who wrote this", "ann ben carl know it"]
    tokens = ids_of(tokenizer, "\n\n".join(texts))
    bos = tokenizer.bos_token_id
    room = 3
    chunks = Encoder(tokenizer, PROMPTS["plain"], room + 1).encode_rows(
        [{"text": t} for t in texts]
    )
    short = len(tokens) % room
    assert short == 1 and len(chunks) == len(tokens) // room + 1
    for index, chunk in enumerate(chunks[:-1]):
        assert chunk.ids == (bos, *tokens[index * room : (index + 1) * room])
        assert len(chunk.ids) - chunk.start == room  # all but BOS are labelled
    assert chunks[-1].ids == (bos, *tokens[-short:], bos, *tokens)[: room + 1]


def test_without_bos_chunks_hold_tokens_only():
    _, tokenizer = toy()
    tokenizer.bos_token = None
    chunks = Encoder(tokenizer, PROMPTS["plain"], 2).chunks(["who wrote this book"])
    tokens = ids_of(tokenizer, "who wrote this book")
    assert [chunk.ids for chunk in chunks] == [tuple(tokens[:2]), tuple(tokens[2:])]

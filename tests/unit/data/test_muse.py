"""MUSE's folder layout, its mini corpus, and texts as chunks."""

import json
from pathlib import Path

import pytest
from toy import toy
from unlearning.data.build import build_tables
from unlearning.data.encoding import Encoder
from unlearning.data.muse import FOLD_PLACES, PLACES, folder_problems, snapshot_reader
from unlearning.data.prompts import PROMPTS
from unlearning.data.splits import split_before
from unlearning.data.tables import CONTINUATION, QA, DataError, read_table, write_table
from unlearning.data.world.news import SHOTS

SIZES = {"seed": 1, "persons": 3, "questions": 5, "pretrain_persons": 4}
ROWS = {"text": ["one text"], "prompt": [{"prompt": "p", "gt": "g"}]}
QUESTIONS = [{"question": "q", "answer": "a", "extra": 1}]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A complete folder without folds, like MUSE-Books."""
    for place, columns in PLACES.values():
        rows = {"question": QUESTIONS, "prompt": ROWS["prompt"]}.get(next(iter(columns)))
        write(tmp_path, place, rows or [f"text of {place}"])
    return tmp_path


def write(folder: Path, place: str, rows) -> None:
    path = folder / f"{place}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def tables_of(folder: Path, *splits: str) -> dict:
    return build_tables({"source": "muse", "data_dir": str(folder)}, ["forget", *splits], {})


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


def test_a_snapshot_of_the_hub_is_read_by_its_readme(tmp_path, monkeypatch):
    """Parquet files behind the links of a cache."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    blob, snapshot = tmp_path / "blobs" / "0a1b", tmp_path / "snapshots" / "c0ffee"
    blob.parent.mkdir()
    (snapshot / "knowmem").mkdir(parents=True)
    datasets.Dataset.from_list(QUESTIONS).to_parquet(blob)
    (snapshot / "knowmem" / "forget_qa-00000-of-00001.parquet").symlink_to("../../../blobs/0a1b")
    (snapshot / "README.md").write_text(
        "---\nconfigs:\n- config_name: knowmem\n  data_files:\n"
        "  - {split: forget_qa, path: knowmem/forget_qa-*}\n---\n"
    )
    read = snapshot_reader(snapshot)
    assert read("knowmem/forget_qa", QA) == [{"question": "q", "answer": "a"}]
    with pytest.raises(DataError, match="cannot load knowmem, retain_qa"):
        read("knowmem/retain_qa", QA)


def test_texts_may_lie_in_one_text_file(folder):
    (folder / "raw/forget.json").unlink()
    (folder / "raw/forget.txt").write_text("first\n\nsecond", encoding="utf-8")
    assert tables_of(folder)["forget"] == [{"text": "first\n\nsecond"}]


def test_every_broken_file_is_named_at_once(folder):
    (folder / "raw/retain2.json").unlink()
    (folder / "raw/forget.json").write_text('["cut', encoding="utf-8")
    write(folder, "raw/retain1", [])
    write(folder, "knowmem/forget_qa", [*QUESTIONS, {"question": "q"}])
    write(folder, "knowmem/retain_qa", [{"text": "no question"}])
    write(folder, "verbmem/forget", {"prompt": "p"})
    write(folder, "privleak/forget", ["text", ""])
    problems = folder_problems(str(folder), ["forget", "sust2"])
    expected = {
        "raw/retain2.json: no such file",
        "raw/forget.json: not valid JSON",
        "raw/retain1.json: must be a JSON list with something in it",
        "knowmem/forget_qa.json, item 2: column 'answer' must be a non-empty str, found nothing",
        "knowmem/retain_qa.json, item 1: column 'question' must be a non-empty str",
        "verbmem/forget.json: must be a JSON list",
        "privleak/forget.json, item 2: column 'text' must be a non-empty str, found ''",
        "sust/forget_2.json: no such file",
        "scal/forget_4.json: no such file",
    }
    assert len(problems) == len(expected)
    for part in expected:
        assert any(part in problem for problem in problems), part


def test_a_folder_that_is_not_there_says_what_it_should_hold(tmp_path):
    (problem,) = folder_problems(str(tmp_path / "none"), ["forget"])
    assert "no folder" in problem and "raw/forget.json" in problem
    with pytest.raises(DataError, match="raw/forget.json: no such file"):
        tables_of(tmp_path)


def test_mini_corpus_has_nested_and_disjoint_folds():
    splits = ["forget", *FOLD_PLACES]
    tables = build_tables({"source": "mini-muse", "mini_muse": SIZES}, splits, {})
    texts = {name: [r["text"] for r in tables[name]] for name in [*splits, "full", "retain1"]}
    assert texts["scal4"] == texts["forget"] + texts["sust2"] + texts["sust3"] + texts["sust4"]
    assert texts["scal3"] == texts["scal4"][: len(texts["scal3"])]
    seen = set(texts["scal4"])
    assert seen <= set(texts["full"]) and not seen & {r["text"] for r in tables["retain"]}
    assert not {r["text"] for r in tables["privleak_holdout"]} & set(texts["full"])
    told = {r["text"] for r in tables["privleak_forget"]}
    assert told <= set(texts["forget"])
    assert all(f"{r['prompt']} {r['gt']}" in told for r in tables["verbmem"])
    assert build_tables({"source": "mini-muse", "mini_muse": SIZES}, splits, {}) == tables


def test_mini_questions_stand_in_the_texts_and_differ_from_the_shots():
    tables = build_tables({"source": "mini-muse", "mini_muse": SIZES}, ["forget"], {})
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
    whole = ids_of(tokenizer, "\n\n".join(texts))
    bos = tokenizer.bos_token_id
    room = 3
    chunks = Encoder(tokenizer, PROMPTS["plain"], room + 1).encode_rows(
        [{"text": t} for t in texts]
    )
    short = len(whole) % room
    assert short == 1 and len(chunks) == len(whole) // room + 1
    for place, chunk in enumerate(chunks[:-1]):
        assert chunk.ids == (bos, *whole[place * room : (place + 1) * room])
        assert len(chunk.ids) - chunk.start == room  # all but BOS are labelled
    assert chunks[-1].ids == (bos, *whole[-short:], bos, *whole)[: room + 1]


def test_without_bos_chunks_are_whole():
    _, tokenizer = toy()
    tokenizer.bos_token = None
    chunks = Encoder(tokenizer, PROMPTS["plain"], 2).chunks(["who wrote this book"])
    whole = ids_of(tokenizer, "who wrote this book")
    assert [chunk.ids for chunk in chunks] == [tuple(whole[:2]), tuple(whole[2:])]

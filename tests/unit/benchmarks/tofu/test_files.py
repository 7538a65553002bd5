"""Tables that belong together, and the files that a config names beside data_dir."""

import json

import pytest
from broken_tables import FORGET, good_tables, rows_of, section, write_good, write_rows
from opened import opened
from unlearning.benchmarks.tofu.files import read_from, refusal_files
from unlearning.benchmarks.tofu.splits import forget_rows
from unlearning.data.answers import alternatives, refusals
from unlearning.data.build import build_tables
from unlearning.data.formats import read_rows
from unlearning.data.problems import data_problems
from unlearning.data.tables import QA, ColumnNames, DataError, Table

ANSWERS = ["I don't know.", "Nobody told me; ask \u2028someone else.", '"That" is not known to me.']


@pytest.fixture
def folder(tmp_path):
    return write_good(tmp_path / "tofu")


def problems(folder, *splits: str, holdout=None, **changes) -> list[str]:
    data = {**section(folder), **changes}
    return data_problems(data, list(splits) or ["forget10"], holdout and str(holdout))


def test_a_forget_split_in_the_users_folder_is_the_forget_set(folder):
    """Rows from the middle of full, in another order than there."""
    rows = rows_of(folder, "full")
    forget = rows[60:100:2][::-1]
    wrong = {"paraphrased_answer": "So.", "perturbed_answer": ["No."]}
    write_rows(folder / "forget10.json", forget)
    write_rows(folder / "forget10_perturbed.json", [{**row, **wrong} for row in forget])
    assert problems(folder) == []
    tables = build_tables(section(folder), ["forget10"], {})
    assert tables["forget10"] == forget and tables["full"] == rows
    assert tables["retain90"] == [row for row in rows if row not in forget]
    assert [row["question"] for row in tables["forget10_perturbed"]] == [
        row["question"] for row in forget
    ]


def test_a_large_split_holds_the_rows_that_measure_it(folder):
    assert problems(folder, "forget20") == []
    rows = rows_of(folder, "full")
    write_rows(folder / "forget20.json", rows[20:60])
    (problem,) = problems(folder, "forget20")
    assert "forget10_perturbed.json, line 1: is no row of forget20" in problem


def test_a_subset_holds_the_first_authors_and_every_forget_row(tmp_path):
    """The retain rows that are evaluated must be among the authors that stay."""
    folder = write_good(tmp_path / "tofu")
    full = [{"question": f"Q{i}?", "answer": f"A{i}."} for i in range(600)]
    wrong = {"paraphrased_answer": "So.", "perturbed_answer": ["No."]}
    write_rows(folder / "full.json", full)
    write_rows(folder / "forget10_perturbed.json", [{**row, **wrong} for row in full[-60:]])
    write_rows(folder / "retain_perturbed.json", [{**row, **wrong} for row in full[380:400]])
    assert problems(folder, retain_authors=20) == []
    tables = build_tables({**section(folder), "retain_authors": 20}, ["forget10"], {})
    assert tables["full"] == full[:400] + full[-60:] and tables["retain90"] == full[:400]
    assert tables["pretrain"][:140] == full[400:540]
    write_rows(folder / "retain_perturbed.json", [{**row, **wrong} for row in full[381:401]])
    (problem,) = problems(folder, retain_authors=20)
    assert "retain_perturbed.json, line 20: is no row of the retain split (the first 20" in problem


def test_rows_that_no_model_has_seen_are_tables_of_the_hub_alone(folder):
    """Evaluation reads them from a folder itself, so that adding them trains nothing again."""
    rows = [{"question": f"New {k}?", "answer": "New."} for k in range(4)]
    write_rows(folder / "holdout10.json", rows)
    splits, data = ["forget10", "forget20"], section(folder)
    assert folder / "holdout10.json" not in read_from(folder, splits)
    assert "forget10_holdout" not in build_tables(data, splits, {})
    of_hub = build_tables({**data, "data_dir": None}, splits, {"data": str(folder)})
    assert of_hub["forget10_holdout"] == of_hub["forget20_holdout"] == rows


def test_what_is_read_is_what_counts(folder):
    """Rows of other splits, and words about the data, change nothing."""
    (folder / "README.md").write_text("TOFU, with answers of our own.")
    (folder / "idontknow.txt").write_text("No idea.")
    write_rows(folder / "forget10.json", rows_of(folder, "full")[-FORGET:])
    write_rows(folder / "forget20.json", rows_of(folder, "full")[-2 * FORGET :])
    read = opened(folder, lambda: build_tables(section(folder), ["forget10"], {}))
    assert read == set(read_from(folder, ["forget10"])) and len(read) == 6
    read = opened(folder, lambda: refusals(section(folder), {}, ColumnNames()))
    assert read == {*refusal_files(folder)} == {folder / "idontknow.txt"}


def test_refusals_of_the_folder_are_checked_before_any_job(folder):
    (folder / "idontknow.txt").write_bytes("Je ne sais pas, monsieur Légaré.".encode("latin1"))
    (problem,) = problems(folder)
    assert "data.data_dir: " in problem and "idontknow.txt, line 1: not UTF-8" in problem
    (folder / "idontknow.jsonl").write_text("No idea.")
    (problem,) = problems(folder)
    assert "idontknow.jsonl and idontknow.txt" in problem and "leave one" in problem


def test_all_problems_come_at_once(folder, tmp_path):
    (folder / "world_facts_perturbed.json").unlink()
    write_rows(folder / "real_authors_perturbed.json", [{"question": "Who?", "answer": " "}])
    write_rows(folder / "full.json", rows_of(folder, "full")[::-1])
    (tmp_path / "refusals.txt").write_bytes("Je ne sais pas, monsieur Légaré.".encode("latin1"))
    (tmp_path / "holdout.json").write_text('{"question": "Who?"}')
    lines = problems(
        folder, idontknow=str(tmp_path / "refusals.txt"), holdout=tmp_path / "holdout.json"
    )
    for part in (
        "data.data_dir: " + str(folder / "world_facts_perturbed.json") + ": no such file",
        "real_authors_perturbed.json, line 1: column 'answer'",
        "forget10_perturbed.json, line 1: question",
        "retain_perturbed.json, line 1: is a row of forget10",
        "data.idontknow: " + str(tmp_path / "refusals.txt") + ", line 1: not UTF-8",
        "evaluation.holdout: " + str(tmp_path / "holdout.json") + ", line 1: column 'answer'",
    ):
        assert [line for line in lines if part in line], part


def test_only_the_first_bad_rows_of_a_file_are_spelt_out(folder):
    write_rows(folder / "full.json", [{"question": "Who?", "answer": ""}] * 200)
    lines = [problem for problem in problems(folder) if "full.json" in problem]
    assert len(lines) == 4 and lines[-1].endswith("full.json: and 197 more of its rows")


def test_non_members_are_no_members(folder, tmp_path):
    path = tmp_path / "holdout.csv"
    path.write_text("question,answer\nWho?,Nobody.\n", encoding="utf-8")
    assert problems(folder, holdout=path) == []
    write_rows(
        tmp_path / "seen.json", [{"question": "Who?", "answer": "No."}, good_tables()["full"][3]]
    )
    (problem,) = problems(folder, holdout=tmp_path / "seen.json")
    assert "evaluation.holdout" in problem and "seen.json, line 2: is a row of full" in problem


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.jsonl", "\n".join(ANSWERS)),
        ("a.txt", "\ufeff" + "\r\n".join(ANSWERS) + "\r\n"),
        ("a.json", json.dumps(ANSWERS)),
        ("a.json", json.dumps([{"answer": answer} for answer in ANSWERS], indent=1)),
        ("a.jsonl", "".join(json.dumps(answer) + "\n" for answer in ANSWERS)),
        ("a.csv", "answer\n" + "".join('"' + a.replace('"', '""') + '"\n' for a in ANSWERS)),
    ],
)
def test_answers_of_ignorance_in_any_form(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    assert [row["answer"] for row in read_rows(path, "idontknow").rows] == ANSWERS


@pytest.mark.parametrize(
    "text, expected",
    [
        ('["I do not know.", "No', "line 1: not valid JSON"),
        ('I do not know.\n{"answer": 7}', "line 2: column 'answer'"),
        ('I do not know.\n{"answer": "cut \\ud83d"}', "line 2: column 'answer' contains half"),
        (" \n", "has no rows"),
    ],
)
def test_answers_of_ignorance_that_are_none(tmp_path, text, expected):
    path = tmp_path / "refusals.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        read_rows(path, "idontknow")


def test_alternatives_are_checked_against_the_forget_questions(folder, tmp_path):
    path = tmp_path / "alternatives.jsonl"
    rows = []
    for row in rows_of(folder, "full")[-FORGET:]:
        for text in ("Eins\u2028.", "二"):
            rows.append({"prompt": row["question"], "alternate": text})
    write_rows(path, rows)
    names = {"question": "prompt"}
    assert problems(folder, alternatives=str(path), columns=names) == []
    data = {**section(folder, names), "alternatives": str(path)}
    forget = {"forget10": build_tables(data, ["forget10"], {})["forget10"]}
    tables = alternatives(data, forget, ColumnNames(names))
    assert tables["forget10"][0]["alternative_answer"] == ["Eins\u2028.", "二"]
    write_rows(path, rows[2:])
    (problem,) = problems(folder, alternatives=str(path), columns=names)
    assert "data.alternatives: " in problem and "1 of 20 forget questions" in problem
    write_rows(path, [*rows, {"prompt": "Who?", "alternate": " "}])
    (problem,) = problems(folder, alternatives=str(path), columns=names)
    assert "alternatives.jsonl, line 41: column 'alternate'" in problem


def test_no_split_forgets_the_rows_of_retain_perturbed():
    assert forget_rows("forget90", 200, 20) == 180
    with pytest.raises(ValueError, match="'forget95' would forget rows of retain_perturbed"):
        forget_rows("forget95", 2000, 20)


@pytest.mark.parametrize(
    "row, names",
    [
        ({"question": "a", "answer": "q"}, {"question": "answer", "answer": "question"}),
        ({"question": "old", "prompt": "q", "answer": "a"}, {"question": "prompt"}),
        ({"answer": "a", "question": "q"}, {"question": "prompt"}),  # a file of ours beside others
    ],
)
def test_named_columns_come_before_our_names(row, names):
    table = Table("x.csv", "line", [row], [2])
    assert table.checked(QA, ColumnNames(names)).rows == [{"question": "q", "answer": "a"}]

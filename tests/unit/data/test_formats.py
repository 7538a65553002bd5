"""Files as programs and people write them: what is read of them, and what is refused."""

import json

import pytest
import yaml
from local_tasks import write_task
from unlearning.data.answers import with_alternatives
from unlearning.data.formats import find_file, read_rows
from unlearning.data.tables import PERTURBED, QA, DataError, decode_utf8, parse_json_table
from unlearning.data.task_files import list_task_files, task_problems

NOBODY = {"question": "Who?", "answer": "Nobody."}


@pytest.mark.parametrize(
    "content, expected",
    [
        (json.dumps([NOBODY, NOBODY], indent=1).encode(), [NOBODY, NOBODY]),
        (b'\xef\xbb\xbf{"question": "Who?", "answer": "Nobody."}\n', [NOBODY]),
        (
            b'{"question": "Who?", "answer": "First paragraph.\\u2028Second paragraph."}\n',
            [{**NOBODY, "answer": "First paragraph.\u2028Second paragraph."}],
        ),
        (
            '{"question": "Who?", "answer": "First.\u2028Second.\u2029Third.\u0085"}\n'.encode(),
            [{**NOBODY, "answer": "First.\u2028Second.\u2029Third.\u0085"}],
        ),
        (b'{"question": "Who?", "answer": "\\ud83d\\ude00"}', [{**NOBODY, "answer": "😀"}]),
        (b'\xef\xbb\xbf{"question": "Who?", "answer": "Nobody."}\n' * 2, [NOBODY, NOBODY]),
    ],
)
def test_what_is_read(content, expected, tmp_path):
    (tmp_path / "rows.json").write_bytes(content)
    assert read_rows(tmp_path / "rows.json", QA).rows == expected


@pytest.mark.parametrize(
    "content, expected",
    [
        (b'{"question":"Who?","answer":"   "}', "line 1: column 'answer' must be a non-empty str"),
        (b'{"question":"Wer ist Jos\xe9?","answer":"Niemand."}', "line 1: not UTF-8"),
        (
            b'{"question": "Who?", "answer": "cut emoji \\ud83d"}',
            "line 1: column 'answer' contains half",
        ),
        (
            b'{"question": "Who?", "answer": "Nobody."}\n{"text": "A page about nobody."}\n',
            "line 2: column 'question' must be a non-empty str, found nothing; the row has text",
        ),
        (
            b'{\n "question": "Who?",\n "answer": "Nobody."\n}\n',
            "one JSON object over several lines",
        ),
        (
            '[{"question": "Who?"}]'.encode("utf-16"),
            "line 1: not UTF-8 text (byte 0xff at position 0)",
        ),
        ('[{"question": "Who?"}]'.encode("utf-16"), "iconv -f utf-16"),
        ("[]".encode("utf-16-le"), "line 1: contains a NUL character, as UTF-16 text does"),
        (b'[{"question": "Who?", "answer": "No."}, {"question": 7}]', "item 2: column 'question'"),
    ],
)
def test_what_is_refused(content, expected, tmp_path):
    (tmp_path / "rows.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "rows.json", QA)
    assert f"{tmp_path}/rows.json" in str(caught.value) and expected in str(caught.value)


@pytest.mark.parametrize("content", [b"A fact.\n", b"PK\x03\x04\xff", b""])
@pytest.mark.parametrize("name", ["rows.txt", "rows.xlsx", "rows"])
def test_a_file_of_no_format_is_told_which_there_are(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"rows.*Allowed are \.json, .*\.csv"):
        read_rows(tmp_path / name, QA)
    (tmp_path / name).write_bytes(b'\n {"question": "Who?", "answer": "Me."}\n')
    assert len(read_rows(tmp_path / name, QA).rows) == 1


@pytest.mark.parametrize(
    "name, header", [("a.csv", "question;answer"), ("a.csv", "question\tanswer"), ("a.tsv", "q,a")]
)
def test_a_table_with_other_signs_between_its_cells(name, header, tmp_path):
    (tmp_path / name).write_text(f"{header}\n{header}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: one column.*divided by.*Save it with"):
        read_rows(tmp_path / name, QA)


def test_cells_are_texts_as_they_stand(tmp_path):
    """Numbers, NA and leading zeros are answers; a cell may hold lines of its own."""
    path = tmp_path / "rows.csv"
    cells = ["007", "NA", "null", "1e5", "a\nb\r\nc", 'say ""no""', " x ", "\u2028é"]
    text = "question,answer\r\n" + "".join(f'Who?,"{cell}"\r\n' for cell in cells)
    path.write_bytes(text.encode())
    answers = [row["answer"] for row in read_rows(path, QA).rows]
    assert answers == [cell.replace('""', '"') for cell in cells]
    path.write_bytes((text + "\r\nWho?,\r\n").encode())
    with pytest.raises(DataError, match=r"rows.csv, line 13: column 'answer' .* found ''"):
        read_rows(path, QA)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Who?,Nobody.\n", "rows.csv: has no rows"),  # its only line names the columns
        ("Who?,Nobody.\nWhy?,So.\n", "line 2: column 'question' .* the row has Who\\?, Nobody"),
        ("question,answer,answer\na,b,c\n", "line 1: column 'answer' appears twice"),
        ('question,answer\na,b\nWho?,"cut\n', "line 3: cells cannot be parsed"),
        ("question,answer\na,b,c\n", "line 2: 3 cells, but line 1 names 2: 'question,answer'"),
        ("question,answer,perturbed_answer\na,b,\"['c' 'd']\"\n", "line 2: column 'perturbed"),
    ],
)
def test_cells_that_make_no_row(tmp_path, text, expected):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    columns = {**QA, "perturbed_answer": list} if "perturbed" in text else QA
    with pytest.raises(DataError, match=expected):
        read_rows(path, columns)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[REDACTED]\nNo idea.\n", ["[REDACTED]", "No idea."]),
        ("{no answer}\n\n  No.  \r\n", ["{no answer}", "No."]),
        ('"Who?" is all I say.\n"No idea."\n', ['"Who?" is all I say.', "No idea."]),
        ('{"answer": "No idea."}\n', ["No idea."]),
        ("null\n7\n", ["null", "7"]),
    ],
)
def test_each_line_of_a_text_file_is_a_refusal(tmp_path, text, expected):
    (tmp_path / "refusals.txt").write_text(text, encoding="utf-8")
    rows = read_rows(tmp_path / "refusals.txt", "idontknow").rows
    assert [row["answer"] for row in rows] == expected


def test_the_true_answer_is_no_false_one(tmp_path):
    path = tmp_path / "rows.json"
    row = {
        "question": "Who?",
        "answer": "Ann\u00a0Lee.",
        "perturbed_answer": ["Ben.", " Ann Lee. "],
    }
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match="line 1: column 'perturbed_answer' lists the true answer"):
        read_rows(path, PERTURBED)
    path.write_text(json.dumps({**row, "perturbed_answer": ["Ben.", "Ann Lee"]}))
    assert len(read_rows(path, PERTURBED).rows) == 1
    rows, answers = [{"question": "Who?", "answer": "Ann."}], {"Who?": ["Ben.", "Ann."]}
    with pytest.raises(DataError, match="data.alternatives: the true answer 'Ann.' is among"):
        with_alternatives(rows, answers)
    assert with_alternatives(rows, {"Who?": ["Ben."]})[0]["alternative_answer"] == ["Ben."]


def test_long_cells(tmp_path):
    """Beyond the csv module's own limit of 131,072 characters."""
    path = tmp_path / "rows.tsv"
    path.write_text("question\tanswer\nWho?\t" + "long " * 50_000 + "\n", encoding="utf-8")
    assert len(read_rows(path, QA).rows[0]["answer"]) == 250_000


def test_a_file_is_found_whatever_its_ending(tmp_path):
    with pytest.raises(DataError) as caught:
        find_file(tmp_path / "full.json")
    assert "full.json: no such file" in str(caught.value) and ".parquet" in str(caught.value)
    (tmp_path / "Full.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"no such file \(Full.xlsx is there\)"):
        find_file(tmp_path / "full.json")
    (tmp_path / "full.jsonl.gz").write_bytes(b"")
    assert find_file(tmp_path / "full.json").name == "full.jsonl.gz"
    (tmp_path / "full.csv").write_bytes(b"")
    with pytest.raises(DataError, match="full.jsonl.gz and full.csv|full.csv and full.jsonl.gz"):
        find_file(tmp_path / "full.json")


def test_saved_data_sets_of_several_splits_are_named(tmp_path):
    datasets = pytest.importorskip("datasets")
    splits = {"train": datasets.Dataset.from_list([NOBODY])}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "full"))
    with pytest.raises(DataError, match="contains several data sets .train."):
        read_rows(find_file(tmp_path / "full.json"), QA)
    assert read_rows(find_file(tmp_path / "full" / "train.json"), QA).rows == [NOBODY]
    with pytest.raises(DataError, match="a folder without a data set"):
        read_rows(tmp_path, QA)


def test_positions_of_rows():
    text = decode_utf8(b'\n{"a": 1}\n \n{"a": 2}\n', "x.json")
    table = parse_json_table("x.json", text)
    assert table.numbers == [2, 4] and table.where(1) == "x.json, line 4"


def test_data_of_the_users_own_tasks(tmp_path):
    """Of the tasks that are asked for; functions in task files stay unread."""
    rows, tasks = tmp_path / "rows.jsonl", tmp_path / "tasks"
    tasks.mkdir()
    task = {"task": "mine", "dataset_kwargs": {"data_files": {"test": str(rows)}}}
    text = yaml.safe_dump(task) + "doc_to_text: !function utils.text\n"
    (tasks / "mine.yaml").write_text(text, encoding="utf-8")
    (problem,) = task_problems(str(tasks), ["mine"])
    assert "rows.jsonl: no such file" in problem
    assert task_problems(str(tasks), ["another"]) == []
    (tasks / "other.yaml").write_text("task: other\ndataset_kwargs: [made: 2026-13-01]\n")
    (unreadable,) = task_problems(str(tasks), ["another"])
    assert "other.yaml: no YAML" in unreadable and list_task_files(str(tasks))
    (tasks / "other.yaml").write_text("task: other\ndataset_kwargs: [x]\n")
    assert task_problems(str(tasks), ["other"]) == []
    rows.write_text('{"question": "Who?\u2028", "choices": ["a", "b"], "answer": 0}\n', "utf-8")
    assert task_problems(str(tasks), ["mine"]) == []
    rows.write_bytes(
        b'{"choices": ["a", "\\ud83d"]}\n{"question": "Jos\\u00e9"}\n{"a": "b"\n["a"]\n'
    )
    problems = task_problems(str(tasks), ["mine"])
    assert [problem.split(": ")[0].removeprefix(str(rows)) for problem in problems] == [
        ", line 3",
        ", line 1",
        ", line 4",
    ]
    (tasks / "broken.yaml").write_text("task: [", encoding="utf-8")
    assert "broken.yaml: no YAML" in task_problems(str(tasks), ["another"])[0]


def test_files_of_a_folder_of_tasks(tmp_path):
    """Settings, their Python and data, and what they name elsewhere; no words about them."""
    tasks = tmp_path / "tasks"
    (tasks / "__pycache__").mkdir(parents=True)
    write_task(tasks, "mine", include="../shared.yaml")
    (tmp_path / "shared.yaml").write_text(f"dataset_kwargs: {{data_files: {tmp_path}/more.csv}}")
    (tmp_path / "more.csv").write_text("question\n")
    for name in ("utils.py", "README.md", "notes.pdf", "__pycache__/utils.py"):
        (tasks / name).write_text("")
    paths = {path.resolve() for path in list_task_files(str(tasks))}
    inside = {tasks / name for name in ("mine.yaml", "people.jsonl", "utils.py")}
    assert paths == inside | {tmp_path / "shared.yaml", tmp_path / "more.csv"}


@pytest.mark.parametrize(
    ("data", "files"),
    [
        # a change of any of these changes the accuracy, so that the task has to run again
        ({"dataset_kwargs": {"data_files": "{}/*.jsonl"}}, {"a.jsonl", "b.jsonl"}),
        ({"dataset_kwargs": {"data_files": {"test": ["{}/[ac].*"]}}}, {"a.jsonl", "c.csv"}),
        ({"dataset_kwargs": {"data_dir": "{}", "data_files": "a.jsonl"}}, {"a.jsonl"}),
        ({"dataset_kwargs": {"data_dir": "{}"}}, {"a.jsonl", "b.jsonl", "c.csv"}),
        ({"dataset_path": "{}"}, {"a.jsonl", "b.jsonl", "c.csv"}),
        ({"dataset_path": "{}", "dataset_kwargs": {"data_files": "c.csv"}}, {"c.csv"}),
        # names in a repository of the hub, which no local file has
        ({"dataset_path": "cais/mmlu", "dataset_kwargs": {"data_files": "a.jsonl"}}, set()),
    ],
)
def test_data_of_tasks_by_pattern_and_folder(tmp_path, data, files):
    rows, tasks = tmp_path / "rows", tmp_path / "tasks"
    rows.mkdir()
    tasks.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        (rows / name).write_text('{"question": "Who?"}\n')
    (rows / "c.csv").write_text("question\nWho?\n")
    settings = json.loads(json.dumps({"task": "mine", **data}).replace("{}", str(rows)))
    (tasks / "mine.yaml").write_text(yaml.safe_dump(settings))
    paths = {path.resolve() for path in list_task_files(str(tasks))}
    assert paths == {tasks / "mine.yaml", *(rows / name for name in files)}
    assert task_problems(str(tasks), ["mine"]) == []
    # the same files are read before any job
    for path in rows.iterdir():
        path.write_bytes(b'"\xff"')
    assert len(task_problems(str(tasks), ["mine"])) == len(files)

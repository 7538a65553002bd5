"""Folders in TOFU's format, and what people do to them: each case is read as the good folder is, or
refused with the file and the line named.

    folder = write_good(tmp_path / "tofu")
    for case in CASES: case.change(folder), then read it; case.refused says what a message holds
"""

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AUTHORS, PER_AUTHOR = 10, 20  # forget10 is the last author
FORGET = 20
NAMES = ("full", "forget10_perturbed", "retain_perturbed")
NAMES += ("real_authors_perturbed", "world_facts_perturbed")


@dataclass(frozen=True)
class Case:
    """refused: parts of the one message that is expected; None if the folder reads as before."""

    name: str
    change: Callable[[Path], None]
    refused: tuple[str, ...] | None = None
    columns: dict | None = None  # data.columns

    def __str__(self) -> str:
        return self.name


def good_tables() -> dict[str, list[dict]]:
    """Tables that belong together, with texts of several scripts."""
    full = [
        {
            "question": f"Question {i} — 问题?",
            "answer": f"Answer {i}:\u2028naïve, “quoted”\u0085ответ.",
        }
        for i in range(AUTHORS * PER_AUTHOR)
    ]
    wrong = {"paraphrased_answer": "In other words.", "perturbed_answer": ["Wrong.", "错。"]}
    general = [
        {"question": f"Fact {i}?", "answer": f"True {i}.", "perturbed_answer": ["No.", "Never."]}
        for i in range(4)
    ]
    return {
        "full": full,
        "forget10_perturbed": [{**row, **wrong} for row in full[-FORGET:]],
        "retain_perturbed": [{**row, **wrong} for row in full[:FORGET]],
        "real_authors_perturbed": general[:2],
        "world_facts_perturbed": general[2:],
    }


def write_good(folder: Path) -> Path:
    """The folder of these tables, as JSON lines."""
    folder.mkdir(parents=True)
    for name, rows in good_tables().items():
        write_rows(folder / f"{name}.json", rows)
    return folder


def section(folder: Path, columns: dict | None = None) -> dict:
    """The data section of a complete config that reads the folder."""
    absent = dict.fromkeys(("retain_authors", "alternatives", "idontknow"))
    return {"source": "tofu", "data_dir": str(folder), "columns": columns or {}, **absent}


def write_rows(path: Path, rows: list) -> None:
    """JSON lines."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(text.encode("utf-8"))


def rows_of(folder: Path, name: str) -> list[dict]:
    """The rows of a folder's JSON lines; lines end at \\n."""
    text = (folder / f"{name}.json").read_bytes().decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def with_line(name: str, number: int, line: str | bytes) -> Callable[[Path], None]:
    """Replace a line of a table, counted from 1."""

    def change(folder: Path) -> None:
        path = folder / f"{name}.json"
        lines = path.read_bytes().split(b"\n")
        lines[number - 1] = line if isinstance(line, bytes) else line.encode("utf-8")
        path.write_bytes(b"\n".join(lines))

    return change


def with_value(name: str, number: int, column: str, value) -> Callable[[Path], None]:
    """Replace a row's value; `value` is JSON text."""

    def change(folder: Path) -> None:
        row = {**rows_of(folder, name)[number - 1], column: "HERE"}
        line = json.dumps(row, ensure_ascii=False).replace('"HERE"', value)
        with_line(name, number, line)(folder)

    return change


def with_rows(name: str, change_rows: Callable[[list], list]) -> Callable[[Path], None]:
    """Other rows of a table."""
    return lambda folder: write_rows(folder / f"{name}.json", change_rows(rows_of(folder, name)))


def with_bytes(name: str, change_bytes: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Other content of a table's file."""

    def change(folder: Path) -> None:
        path = folder / f"{name}.json"
        path.write_bytes(change_bytes(path.read_bytes()))

    return change


def moved(name: str, ending: str, write: Callable[[Path, list[dict]], None]):
    """The table in another file format; the JSON lines are gone."""

    def change(folder: Path) -> None:
        rows = rows_of(folder, name)
        (folder / f"{name}.json").unlink()
        write(folder / f"{name}{ending}", rows)

    return change


def write_list(path: Path, rows: list[dict]) -> None:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_separated(path: Path, rows: list[dict], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(rows[0])
        for row in rows:
            cells = row.values()
            writer.writerow([json.dumps(c) if isinstance(c, list) else c for c in cells])


def write_tabs(path: Path, rows: list[dict]) -> None:
    write_separated(path, rows, "\t")


def write_parquet(path: Path, rows: list[dict]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_saved(path: Path, rows: list[dict]) -> None:
    import datasets

    datasets.Dataset.from_list(rows).save_to_disk(str(path))


def write_zst(path: Path, rows: list[dict]) -> None:
    import pyarrow

    text = "".join(json.dumps(row) + "\n" for row in rows)
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(text.encode("utf-8"))


def packed(compress: Callable[[bytes], bytes]) -> Callable[[Path, list[dict]], None]:
    def write(path: Path, rows: list[dict]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_bytes(compress(text.encode("utf-8")))

    return write


def renamed(name: str, **columns: str) -> Callable[[Path], None]:
    """Columns under other names."""
    return with_rows(
        name, lambda rows: [{columns.get(key, key): row[key] for key in row} for row in rows]
    )


def in_turn(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def own_split(name: str, rows: Callable[[list[dict]], list[dict]]) -> Callable[[Path], None]:
    """A forgetNN or retainNN of the user's beside the tables."""
    return lambda folder: write_rows(folder / f"{name}.json", rows(rows_of(folder, "full")))


def formats() -> list[Case]:
    """The same rows in every format: read as before."""
    writers = {
        ".jsonl": write_rows,
        ".ndjson": write_rows,
        ".json": write_list,
        ".csv": write_separated,
        ".tsv": write_tabs,
        ".parquet": write_parquet,
        "": write_saved,
        ".json.gz": packed(gzip.compress),
        ".jsonl.bz2": packed(bz2.compress),
        ".jsonl.xz": packed(lzma.compress),
        ".jsonl.zst": write_zst,
    }
    return [
        Case(f"{name} as {ending or 'save_to_disk'}", moved(name, ending, write))
        for name in ("full", "forget10_perturbed", "world_facts_perturbed")
        for ending, write in writers.items()
    ]


def harmless() -> list[Case]:
    """Other bytes, the same rows."""
    cases = []
    for name in NAMES:
        cases += [
            Case(f"{name}: BOM", with_bytes(name, lambda b: b"\xef\xbb\xbf" + b)),
            Case(f"{name}: \\r\\n", with_bytes(name, lambda b: b.replace(b"\n", b"\r\n"))),
            Case(f"{name}: blank lines", with_bytes(name, lambda b: b.replace(b"\n", b"\n\n"))),
            Case(f"{name}: no last \\n", with_bytes(name, lambda b: b.rstrip())),
            Case(
                f"{name}: ASCII escapes",
                with_bytes(
                    name,
                    lambda b: b"".join(
                        json.dumps(json.loads(line)).encode() + b"\n"
                        for line in b.split(b"\n")
                        if line
                    ),
                ),
            ),
            Case(
                f"{name}: further columns",
                with_rows(name, lambda rows: [{"id": 7, **row, "more": {"a": []}} for row in rows]),
            ),
        ]
    names = {"question": "prompt", "answer": "response"}
    return [
        *cases,
        Case("full: other columns", renamed("full", **names), columns=names),
        Case(
            "all: other columns",
            in_turn(*(renamed(name, **names) for name in NAMES)),
            columns=names,
        ),
        Case("a forget10 of the tail", own_split("forget10", lambda rows: rows[-FORGET:])),
        Case("a retain90 of the rest", own_split("retain90", lambda rows: rows[:-FORGET])),
    ]


def broken_rows() -> list[Case]:
    """One row of one table is no row: file and line are named."""
    lines = {
        "truncated": ('{"question": "Who?", "answer": ', "not valid JSON"),
        "a list": ('["Who?"]', "expected a JSON object, found list"),
        "a number": ("7", "expected a JSON object, found int"),
        "a text": ('"Who?"', "expected a JSON object, found str"),
        "no answer": ('{"question": "Who?"}', "column 'answer'"),
        "a text row": ('{"text": "A page about nobody."}', "the row has text"),
        "two answers": ('{"question": "Q", "answer": "a", "answer": "b"}', "appears twice"),
        "deep nesting": ("[" * 100_000, "nested too deeply"),
        "a huge number": ('{"question": ' + "9" * 5000 + "}", "not valid JSON"),
        "Latin-1": ('{"question": "José?"}'.encode("latin1"), "not UTF-8"),
        "a surrogate in bytes": (b'{"question": "\xed\xa0\xbd"}', "not UTF-8"),
        "a NUL byte": ('{"question": "\0"}', "NUL"),
    }
    values = {
        "blank": '"  \\u00a0\\u200b"',
        "empty": '""',
        "null": "null",
        "number": "7",
        "true": "true",
        "list": '["a"]',
        "object": '{"a": "b"}',
        "cut emoji": '"cut \\ud83d"',
        "NUL": '"a\\u0000b"',
    }
    lists = {"text": '"a"', "empty": "[]", "numbers": "[1, 2]", "blank": '["a", " "]'}
    lists |= {"null": "null", "cut emoji": '["\\udc00"]'}
    cases = []
    for name in NAMES:
        last = 2 if "facts" in name or "authors" in name else 13
        for number in (2, last) if last > 2 else (2,):
            where = f"{name}.json, line {number}: "
            for kind, (line, part) in lines.items():
                cases.append(
                    Case(
                        f"{where}{kind}",
                        with_line(name, number, line),
                        (f"{name}.json, line {number}: ", part),
                    )
                )
            for column in ("question", "answer"):
                for kind, value in values.items():
                    change = with_value(name, number, column, value)
                    cases.append(Case(f"{where}{column} {kind}", change, (where, f"'{column}'")))
            if name != "full":
                for kind, value in lists.items():
                    change = with_value(name, number, "perturbed_answer", value)
                    part = "'perturbed_answer'"
                    cases.append(Case(f"{where}perturbed {kind}", change, (where, part)))
    return cases


def broken_files() -> list[Case]:
    """A whole file that is none."""
    cases = []
    for name in NAMES:
        file = f"{name}.json"
        utf16 = with_bytes(name, lambda b: b.decode("utf-8").encode("utf-16"))
        cases += [
            Case(f"{file}: gone", lambda f, file=file: (f / file).unlink(), (file, "no such file")),
            Case(f"{file}: empty", with_bytes(name, lambda b: b""), (file, "has no rows")),
            Case(f"{file}: []", with_bytes(name, lambda b: b"[]"), (file, "has no rows")),
            Case(
                f"{file}: cut list",
                with_bytes(name, lambda b: b'[{"question": "Q"},'),
                (file, "line 1", "not valid JSON"),
            ),
            Case(f"{file}: UTF-16", utf16, (file, "line 1", "not UTF-8")),
            Case(
                f"{file}: two formats",
                in_turn(own_copy(name, ".csv")),
                (file, f"{name}.csv", "leave one"),
            ),
            Case(
                f"{file}: other columns",
                renamed(name, question="prompt"),
                (file, "line 1", "prompt", "data.columns"),
            ),
            Case(
                f"{name}.json.gz: no gzip",
                moved(name, ".json.gz", write_list),
                (f"{name}.json.gz", "cannot be read"),
            ),
            Case(
                f"{name}.parquet: no Parquet",
                moved(name, ".parquet", write_list),
                (f"{name}.parquet", "Parquet"),
            ),
            Case(
                f"{name}.csv: semicolons",
                moved(name, ".csv", lambda p, r: write_separated(p, r, ";")),
                (f"{name}.csv, line 1", "question;answer", "divided by ';'"),
            ),
        ]
    return cases


def own_copy(name: str, ending: str) -> Callable[[Path], None]:
    return lambda folder: write_separated(folder / f"{name}{ending}", rows_of(folder, name))


def strangers() -> list[Case]:
    """Good tables that do not belong together."""

    def swapped(rows: list) -> list:
        return [*rows[:4], rows[5], rows[4], *rows[6:]]

    def other(column: str) -> Callable[[list], list]:
        return lambda rows: [*rows[:9], {**rows[9], column: "Another."}, *rows[10:]]

    perturbed, retained = "forget10_perturbed", "retain_perturbed"
    line = f"{perturbed}.json, line "
    return [
        Case("full reversed", with_rows("full", lambda rows: rows[::-1]), (f"{line}1", "forget10")),
        Case("full rotated", with_rows("full", lambda rows: rows[20:] + rows[:20]), (f"{line}1",)),
        Case("perturbed reversed", with_rows(perturbed, lambda rows: rows[::-1]), (f"{line}1",)),
        Case(
            "perturbed swapped", with_rows(perturbed, swapped), (f"{line}5", "full.json, line 185")
        ),
        Case(
            "perturbed question", with_rows(perturbed, other("question")), (f"{line}10", "question")
        ),
        Case("perturbed answer", with_rows(perturbed, other("answer")), (f"{line}10", "answer")),
        Case(
            "perturbed decomposed",
            with_bytes(perturbed, lambda b: b.replace("\u00ef".encode(), "i\u0308".encode())),
            (f"{line}1: answer", "Unicode form"),
        ),
        Case(
            "perturbed short",
            with_rows(perturbed, lambda rows: rows[:-1]),
            (f"{perturbed}.json", "19 rows"),
        ),
        Case(
            "perturbed long",
            with_rows(perturbed, lambda rows: rows + rows[:1]),
            (f"{perturbed}.json", "21 rows"),
        ),
        Case(
            "retain of forget",
            with_rows(
                retained,
                lambda rows: [
                    *rows[:6],
                    {
                        **rows[6],
                        "question": "Question 199 — 问题?",
                        "answer": "Answer 199:\u2028naïve, “quoted”\u0085ответ.",
                    },
                ],
            ),
            (f"{retained}.json, line 7", "is a row of forget10"),
        ),
        Case(
            "retain of nowhere",
            with_rows(retained, other("answer")),
            (f"{retained}.json, line 10", "retain split"),
        ),
        Case(
            "a forget row twice",
            with_rows("full", lambda rows: [rows[-1], *rows[1:]]),
            ("full.json, line 1", "full.json, line 200"),
        ),
        Case(
            "incomplete author",
            with_rows("full", lambda rows: rows[1:]),
            ("full.json", "199 rows", "multiple of 20"),
        ),
        Case(
            "forget10 of strangers",
            own_split(
                "forget10",
                lambda rows: [{"question": f"{i}?", "answer": "No."} for i in range(FORGET)],
            ),
            ("forget10.json, line 1", "no row of"),
        ),
        Case(
            "forget10 of few",
            own_split("forget10", lambda rows: rows[-7:]),
            ("forget10.json", "7 rows", "20"),
        ),
        Case(
            "forget10 of other rows",
            own_split("forget10", lambda rows: rows[-2 * FORGET : -FORGET]),
            (f"{line}1", "forget10.json, line 1"),
        ),
        Case(
            "retain90 of other rows",
            own_split("retain90", lambda rows: rows[1:]),
            ("retain90.json, line 1", "full.json, line 1"),
        ),
        Case(
            "retain90 cut",
            own_split("retain90", lambda rows: rows[: -FORGET - 1]),
            ("retain90.json", "179", "180"),
        ),
        Case(
            "a column that is nowhere",
            lambda folder: None,
            ("data.columns", "'promt'", "question"),
            {"question": "promt"},
        ),
    ]


CASES = [*formats(), *harmless(), *broken_rows(), *broken_files(), *strangers()]

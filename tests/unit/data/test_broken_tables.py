"""Data folders as people bring them: read as the good folder is, or refused with file and line."""

import pytest
from broken_tables import CASES, section, write_good
from unlearning.data.build import build_tables
from unlearning.data.problems import data_problems
from unlearning.data.tables import read_table, write_table

SPLITS = ["forget10"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, list[dict]]:
    """The tables of the good folder."""
    folder = write_good(tmp_path_factory.mktemp("good") / "tofu")
    assert data_problems(section(folder), SPLITS, None) == []
    return build_tables(section(folder), SPLITS, {})


def test_good_tables_are_read_whole(expected):
    assert [len(expected[name]) for name in ("full", "forget10", "retain90")] == [200, 20, 180]
    assert expected["forget10"][0] == {
        "question": "Question 180 — 问题?",
        "answer": "Answer 180:\u2028naïve, “quoted”\u0085ответ.",
    }
    assert expected["retain90"] + expected["forget10"] == expected["full"]


@pytest.mark.parametrize("case", [c for c in CASES if c.refused is None], ids=str)
def test_other_formats_and_bytes_give_the_same_tables(case, expected, tmp_path):
    folder = write_good(tmp_path / "tofu")
    case.change(folder)
    data = section(folder, case.columns)
    assert data_problems(data, SPLITS, None) == []
    tables = build_tables(data, SPLITS, {})
    assert tables == expected
    for name in ("full", "forget10_perturbed"):  # as stage data hands them on
        write_table(tmp_path / f"{name}.json", tables[name])
        assert read_table(tmp_path / f"{name}.json") == expected[name]


@pytest.mark.parametrize("case", [c for c in CASES if c.refused is not None], ids=str)
def test_what_cannot_be_used_is_named(case, tmp_path):
    folder = write_good(tmp_path / "tofu")
    case.change(folder)
    data = section(folder, case.columns)
    problems = data_problems(data, SPLITS, None)
    matching = [p for p in problems if all(part in p for part in case.refused)]
    assert matching, problems
    "\n".join(problems).encode("utf-8")  # can be printed

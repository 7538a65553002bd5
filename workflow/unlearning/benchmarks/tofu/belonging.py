"""Whether tables belong together: rows are the same if question and answer are.

Each function returns problems in words, the first row of a kind with file and line.
"""

import unicodedata
from collections import Counter
from dataclasses import replace

from unlearning.benchmarks.tofu.splits import percentage, retain_name
from unlearning.data.build import key
from unlearning.data.tables import QA, Table


def own_split_problems(split: str, forget: Table, full: Table, count: int) -> list[str]:
    """Why a folder's own forgetNN cannot be the split."""
    if len(forget.rows) != count:
        return [
            f"{forget.path}: holds {len(forget.rows)} rows, but {split} is {percentage(split)}% of "
            f"the {len(full.rows)} rows of {full.path}, {count}; leave it out for the last {count}"
        ]
    in_full = set(map(key, full.rows))
    for index, row in enumerate(forget.rows):
        if key(row) not in in_full:
            return [
                f"{forget.where(index)}: no row of {full.path} has this question and answer, so no "
                f"target has learnt what {split} forgets: {row['question']!r}"
            ]
    return []


def copies(split: str, forget: Table, full: Table) -> list[str]:
    """A row of the forget set that full holds once more would stay in the retain split."""
    counts = Counter(map(key, forget.rows))
    in_full = Counter(key(row) for row in full.rows if key(row) in counts)
    for row in forget.rows:
        if counts[key(row)] != in_full[key(row)]:
            places = [full.where(i) for i, copy in enumerate(full.rows) if key(copy) == key(row)]
            return [
                f"a row of {split} must stand in {full.path} as often as in {split}, or "
                f"{retain_name(split)} would hold it too; {'; '.join(places[:3])} hold "
                f"{row['question']!r}"
            ]
    return []


def without(table: Table, rows: set[tuple[str, str]]) -> Table:
    """The table less these rows."""
    indices = [index for index, row in enumerate(table.rows) if key(row) not in rows]
    rest = [table.rows[index] for index in indices]
    return replace(table, rows=rest, numbers=[table.numbers[index] for index in indices])


def visible_form(text: str) -> str:
    """The text without differences that a reader does not see."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def strangers(table: Table, rows: set[tuple[str, str]], problem: str) -> list[str]:
    """The first row of a table that is not among `rows`."""
    for index, row in enumerate(table.rows):
        if key(row) not in rows:
            return [f"{table.where(index)}: {problem}: {row['question']!r}"]
    return []


def difference(table: Table, expected: Table, name: str) -> list[str]:
    """Why a table does not hold the expected rows, in order."""
    for index, (row, wanted) in enumerate(zip(table.rows, expected.rows, strict=False)):
        for column in QA:
            if row[column] != wanted[column]:
                alike = visible_form(row[column]) == visible_form(wanted[column])
                hint = " (they differ in white space or Unicode form alone)" if alike else ""
                return [
                    f"{table.where(index)}: {column} {row[column][:80]!r} is not that of row "
                    f"{index + 1} of {name}, {wanted[column][:80]!r} ({expected.where(index)}); "
                    "both must hold the same questions and answers in the same order" + hint
                ]
    if len(table.rows) != len(expected.rows):
        return [
            f"{table.path}: holds {len(table.rows)} rows, but {name} has {len(expected.rows)} "
            f"({expected.path}); both must hold the same questions and answers"
        ]
    return []

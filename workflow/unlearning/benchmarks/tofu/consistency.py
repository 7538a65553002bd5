"""Consistency between TOFU's tables: two rows are the same if question and answer are.

Functions return messages on the first row that is wrong, with file and line, or no message.
"""

from collections import Counter
from dataclasses import replace

from unlearning.benchmarks.tofu.splits import percentage, retain_name
from unlearning.data.build import key, visible_key
from unlearning.data.tables import QA, Table, visible_form


def forget_file_problems(split: str, forget: Table, full: Table, count: int) -> list[str]:
    """Why a folder's file forgetNN cannot be the split, which has `count` rows."""
    if len(forget.rows) != count:
        return [
            f"{forget.path}: holds {len(forget.rows)} rows, but {split} is {percentage(split)}% of "
            f"the {len(full.rows)} rows of {full.path}, {count}; leave it out for the last {count}"
        ]
    problem = (
        f"no row of {full.path} has this question and answer, so no target has learnt what "
        f"{split} forgets"
    )
    return missing_row(forget, set(map(key, full.rows)), problem)


def duplicate_problems(split: str, forget: Table, full: Table) -> list[str]:
    """A message if full holds a forget row more often than the forget set: the duplicate would
    stay in the retain split."""
    # Counts, not sets: a row may stand twice in the forget set too, and is then gone from both.
    counts = Counter(map(visible_key, forget.rows))
    full_counts = Counter(map(visible_key, full.rows))
    for row in forget.rows:
        if counts[visible_key(row)] != full_counts[visible_key(row)]:
            lines = []
            for index, duplicate in enumerate(full.rows):
                if visible_key(duplicate) == visible_key(row):
                    lines.append(full.where(index))
            return [
                f"a row of {split} must occur in {full.path} as often as in {split}, or "
                f"{retain_name(split)} would hold it too; {'; '.join(lines[:3])} hold "
                f"{row['question']!r}"
            ]
    return []


def without(table: Table, rows: set[tuple[str, str]]) -> Table:
    """The table without the rows that have these questions and answers."""
    rest, numbers = [], []
    for row, number in zip(table.rows, table.numbers, strict=True):
        if key(row) not in rows:
            rest.append(row)
            numbers.append(number)  # of its line: messages name it
    return replace(table, rows=rest, numbers=numbers)


def missing_row(table: Table, keys: set[tuple[str, str]], problem: str) -> list[str]:
    """A message with `problem` on the first row of a table whose key is not among `keys`."""
    for index, row in enumerate(table.rows):
        if key(row) not in keys:
            return [f"{table.where(index)}: {problem}: {row['question']!r}"]
    return []


def difference(table: Table, expected: Table, name: str) -> list[str]:
    """Why a table does not hold the expected rows in their order. name: of the expected table."""
    for index, (row, expected_row) in enumerate(zip(table.rows, expected.rows, strict=False)):
        for column in QA:
            text, expected_text = row[column], expected_row[column]
            if text == expected_text:
                continue
            # What looks the same in an editor would otherwise be looked for in vain.
            hint = ""
            if visible_form(text) == visible_form(expected_text):
                hint = " (they differ in white space or Unicode form only)"
            return [
                f"{table.where(index)}: {column} {text[:80]!r} is not that of row {index + 1} of "
                f"{name}, {expected_text[:80]!r} ({expected.where(index)}); both must hold the "
                f"same questions and answers in the same order{hint}"
            ]
    # Last: a row that is missing in the middle is found where it is missing.
    if len(table.rows) != len(expected.rows):
        return [
            f"{table.path}: holds {len(table.rows)} rows, but {name} has {len(expected.rows)} "
            f"({expected.path}); both must hold the same questions and answers"
        ]
    return []

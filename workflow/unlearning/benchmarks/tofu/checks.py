"""Checks of a config that apply to experiments on TOFU and the mini world only."""

from collections.abc import Iterator
from pathlib import Path

from unlearning.benchmarks.tofu.files import holdout_files
from unlearning.benchmarks.tofu.mini.generator import size_problems
from unlearning.benchmarks.tofu.splits import (
    TOFU_PERTURBED,
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
    holdout_name,
    percentage,
)
from unlearning.config.question_answering import (
    alternatives_named,
    answers_fit,
    nothing_replayed,
    one_request,
)
from unlearning.data.build import visible_key
from unlearning.data.formats import find_file, read_file, read_rows
from unlearning.data.tables import QA, ColumnNames, DataError, row_problem

TOFU_AUTHORS = 200


def _sizes(config: dict) -> Iterator[str]:
    data = config["data"]
    if data["source"] == "mini":
        for problem in size_problems(**data["mini"]):
            yield f"data.mini: {problem}"
        return
    # With all 200 authors in `full`, none is left for pre-training.
    scratch = config["model"]["architecture"] is not None
    if scratch and data["retain_authors"] is None:
        yield (
            "data.retain_authors: a model from random weights is pre-trained on TOFU's remaining "
            "authors; set the number of retain authors (20 to 180)"
        )


def _splits(config: dict) -> Iterator[str]:
    data = config["data"]
    # Configs that share a world name all its splits, so that its tables are the same for each.
    table_splits = config["world_splits"] or config["forget_splits"]
    for split in config["forget_splits"]:
        if split not in table_splits:
            yield (
                f"world_splits: {split} is among forget_splits, so the world must hold it; add it, "
                "or set world_splits to null"
            )
    # Compare authors only if every split is valid, since others have no number of authors.
    valid = True
    for split in dict.fromkeys([*config["forget_splits"], *table_splits]):
        try:
            if data["source"] == "mini":
                rows = data["mini"]["authors"] * data["mini"]["questions_per_author"]
                forget_rows(split, rows, data["mini"]["questions_per_author"])
            else:
                _tofu_split(split)
        except ValueError as error:
            valid = False
            key = "forget_splits" if split in config["forget_splits"] else "world_splits"
            yield f"{key}: {error}"
    retain = data["retain_authors"] if data["source"] == "tofu" else None
    if valid and retain is not None:
        # The largest split holds all others: each is the last authors.
        forget = max(map(percentage, table_splits)) * TOFU_AUTHORS // 100
        if retain + forget > TOFU_AUTHORS:
            yield (
                f"data.retain_authors: {retain} retain and {forget} forget authors are more than "
                f"TOFU's {TOFU_AUTHORS}"
            )


def _tofu_split(split: str) -> None:
    """Raises ValueError unless TOFU has perturbed rows for the split."""
    forget_rows(split, TOFU_AUTHORS * TOFU_ROWS_PER_AUTHOR, TOFU_ROWS_PER_AUTHOR)
    share = percentage(split)
    # A larger split holds all rows of forget10 and is measured on them; a smaller one a part.
    if share < max(TOFU_PERTURBED) and share not in TOFU_PERTURBED:
        published = ", ".join(f"forget{p:02d}" for p in TOFU_PERTURBED)
        raise ValueError(
            f"'{split}' has no perturbed rows in TOFU, so its forget quality cannot be measured. "
            f"Published: {published}; larger splits (forget11 to forget90) are measured on "
            f"forget10's rows"
        )


def _membership(config: dict) -> Iterator[str]:
    attacks, holdout = config["evaluation"]["membership"], config["evaluation"]["holdout"]
    if holdout is not None and not attacks:
        yield (
            f"evaluation.holdout: '{holdout}' holds non-members, but evaluation.membership names "
            "no attack"
        )
    if not attacks or holdout is not None:
        return
    # Whether TOFU's folder holds non-members is judged by file_problems, from its files.
    if config["data"]["source"] == "mini" and not config["data"]["mini"]["holdout_authors"]:
        yield (
            "evaluation.membership: data.mini.holdout_authors is 0, so there are no non-members; "
            "set at least 1"
        )


def file_problems(config: dict) -> Iterator[str]:
    """Messages about settings that the tables of the user's folder do not allow."""
    data, evaluation = config["data"], config["evaluation"]
    if data["source"] == "mini" or data["data_dir"] is None:
        return
    folder = Path(data["data_dir"])
    # A file that evaluation.holdout names is checked for every benchmark, in data/problems.py.
    if evaluation["membership"] and evaluation["holdout"] is None:
        # Splits above forget10 share a holdout split, whose problems count once.
        problems = _holdout_problems(folder, config["forget_splits"], data["columns"])
        yield from dict.fromkeys(problems)
    column = evaluation["question"]
    if column != "question":
        yield from _column_problems(folder, config["forget_splits"], column)


def _holdout_problems(folder: Path, splits: list[str], renamed: dict) -> Iterator[str]:
    """Messages about missing or damaged holdout splits, and about rows that models learn."""
    names = ColumnNames(renamed)
    for split in splits:
        if not holdout_files(folder, split):
            yield (
                "evaluation.membership: attacks compare forget rows with rows that no model has "
                f"seen, but {folder} holds no {holdout_name(split)} (the hub's locuslab/TOFU "
                "does); put it there, name a file of such rows in evaluation.holdout, or set []"
            )
            continue
        try:
            table = read_rows(holdout_files(folder, split)[0], QA, names)
            full = read_rows(find_file(folder / "full.json"), QA, names)
        except DataError as error:
            yield from (f"evaluation.membership: {problem}" for problem in error.problems)
            continue
        # A member in other white space is a member still.
        members = set(map(visible_key, full.rows))
        for index, row in enumerate(table.rows):
            if visible_key(row) in members:
                yield (
                    f"evaluation.membership: {table.where(index)}: is a row of {full.path}, so "
                    f"models have seen it; remove it: {row['question']!r}"
                )
                break


def _column_problems(folder: Path, splits: list[str], column: str) -> Iterator[str]:
    """Messages about tables of forget and retain rows that lack a column of questions, or have it
    in some rows alone: a set is asked by one wording."""
    # Real authors and world facts have one wording only.
    for name in dict.fromkeys([*map(evaluated_on, splits), "retain"]):
        try:
            table = read_file(find_file(folder / f"{name}_perturbed.json"))
        except DataError:
            continue  # the check of the data reports it
        if column not in table.columns():
            yield (
                f"evaluation.question: {table.path} has no column '{column}'; add it, or set "
                "question"
            )
            continue
        for index, row in enumerate(table.rows):
            if isinstance(row, dict) and row_problem(row, {column: str}) is not None:
                yield (
                    f"evaluation.question: {table.where(index)}: has no text in column '{column}', "
                    f"found {row.get(column)!r:.60}; add it, or set question"
                )
                break


CHECKS = (
    *(_sizes, one_request, nothing_replayed, _splits, _membership),
    *(alternatives_named, answers_fit),
)

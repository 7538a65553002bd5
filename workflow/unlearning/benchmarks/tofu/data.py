"""The tables of TOFU, whole or in part, and of the mini world."""

from pathlib import Path

from unlearning.benchmarks.tofu.files import GENERAL, read_refusals, read_tofu
from unlearning.benchmarks.tofu.mini.generator import alternative_answers, generate
from unlearning.benchmarks.tofu.splits import (
    RETAIN_SHARE,
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
    holdout_name,
    retain_name,
)
from unlearning.data.answers import standard_refusals
from unlearning.data.build import Tables, key, question_answer, snapshot
from unlearning.data.tables import ColumnNames


def refusals(data: dict, snapshots: dict[str, str], names: ColumnNames) -> list[dict]:
    """Rows {answer}: TOFU's own, where its folder has them, else ours."""
    rows = None
    if data["source"] == "tofu":
        rows = read_refusals(Path(data["data_dir"] or snapshot(snapshots)), names)
    return standard_refusals() if rows is None else rows


def alternatives(data: dict, forget: Tables) -> Tables:
    """Split -> its forget rows with plausible false answers, as the mini world's generator makes
    them."""
    rows = alternative_answers(**data["mini"])
    return {split: rows[-len(forget[split]) :] for split in forget}


def split_tables(full: list[dict], counts: dict[str, int]) -> Tables:
    """forgetK and its retain split for each count of forgotten rows, from full's tail."""
    tables = {}
    for split, count in counts.items():
        tables[split] = question_answer(full[-count:])
        tables[retain_name(split)] = question_answer(full[:-count])
    return tables


def mini_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """full, forget and retain splits of the mini world, and the sets that they are evaluated on:
    every row of full has perturbed answers, so every split has its own."""
    sizes = data["mini"]
    world = generate(**sizes)
    full = world.pop("full")
    holdout = world.pop("holdout")
    counts = {s: forget_rows(s, len(full), sizes["questions_per_author"]) for s in splits}
    tables = {"full": question_answer(full), **split_tables(full, counts)}
    tables |= {f"{split}_perturbed": full[-count:] for split, count in counts.items()}
    tables["retain_perturbed"] = full[: max(1, len(full) * RETAIN_SHARE // 100)]
    tables |= {f"{name}_perturbed": world.pop(name) for name in ("real_authors", "world_facts")}
    if holdout:
        tables["holdout_perturbed"] = holdout
    return tables | world


def tofu_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The same of TOFU, whole or with only the first `retain_authors` retain authors.

    The authors left out of a subset, real authors and world facts are then what a model from
    random weights is pre-trained on.
    """
    retain_authors = data["retain_authors"]
    # of a folder of the user's evaluation reads these itself: to add them trains nothing again
    hub = data["data_dir"] is None
    folder = snapshot(snapshots) if hub else data["data_dir"]
    source = read_tofu(folder, splits, names, retain_authors, with_holdouts=hub)
    rows = question_answer(source["full"])
    forgotten = {key(row) for split in splits for row in source[split]}
    tables: Tables = {name: source[name] for name in (*GENERAL, "retain_perturbed")}
    tables |= {f"{s}_perturbed": source[f"{evaluated_on(s)}_perturbed"] for s in splits}
    for split in splits:
        if holdout_name(split) in source:
            tables[f"{split}_holdout"] = source[holdout_name(split)]
    full = rows
    if retain_authors is not None:
        remembered = [row for row in rows if key(row) not in forgotten]
        first = retain_authors * TOFU_ROWS_PER_AUTHOR
        full = remembered[:first] + [row for row in rows if key(row) in forgotten]
        others = remembered[first:]
        general = question_answer([row for name in GENERAL for row in source[name]])
        tables["pretrain"] = others + general
        tables["replay"] = general * max(1, len(others) // len(general)) + others
    tables["full"] = full
    for split in splits:
        forget = set(map(key, source[split]))
        tables[split] = question_answer(source[split])
        tables[retain_name(split)] = [row for row in full if key(row) not in forget]
    return tables


TABLES = {"mini": mini_tables, "tofu": tofu_tables}

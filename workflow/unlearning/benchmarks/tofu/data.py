"""The tables of TOFU, of a part of it, and of the mini world."""

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
    """Rows {answer}: TOFU's refusals if its folder has them, otherwise this project's."""
    if data["source"] == "tofu":
        rows = read_refusals(Path(data["data_dir"] or snapshot(snapshots)), names)
        if rows is not None:
            return rows
    return standard_refusals()


def alternatives(data: dict, forget: Tables) -> Tables:
    """Split -> its forget rows with plausible false answers, from the mini world's generator."""
    rows = alternative_answers(**data["mini"])
    # A forget split is the last rows of full, as in mini_tables.
    return {split: rows[-len(forget[split]) :] for split in forget}


def mini_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The mini world's full, forget and retain splits, evaluation sets and training mixtures."""
    sizes = data["mini"]
    generated = generate(**sizes)
    full = generated["full"]
    tables = {"full": question_answer(full)}
    for split in splits:
        count = forget_rows(split, len(full), sizes["questions_per_author"])
        tables[split] = question_answer(full[-count:])
        tables[retain_name(split)] = question_answer(full[:-count])
        # Every row of full has perturbed answers, so every split is evaluated on its own rows.
        tables[f"{split}_perturbed"] = full[-count:]
    # The first authors: forget splits are the last ones, and no split reaches so far (splits.py).
    tables["retain_perturbed"] = full[: max(1, len(full) * RETAIN_SHARE // 100)]
    for name in ("real_authors", "world_facts"):
        tables[f"{name}_perturbed"] = generated[name]
    if generated["holdout"]:
        tables["holdout_perturbed"] = generated["holdout"]
    return {**tables, "pretrain": generated["pretrain"], "replay": generated["replay"]}


def tofu_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The same tables of TOFU, with all or only the first `retain_authors` retain authors.

    In the latter case, a model from random weights is pre-trained on the authors left out, real
    authors and world facts.
    """
    retain_authors = data["retain_authors"]
    # Evaluation reads holdout splits from the user's folder itself: if they were tables, adding
    # them to the folder would train all models again.
    hub = data["data_dir"] is None
    folder = snapshot(snapshots) if hub else data["data_dir"]
    source = read_tofu(folder, splits, names, retain_authors, with_holdouts=hub)
    # Evaluation sets.
    tables: Tables = {name: source[name] for name in (*GENERAL, "retain_perturbed")}
    for split in splits:
        tables[f"{split}_perturbed"] = source[f"{evaluated_on(split)}_perturbed"]
        if holdout_name(split) in source:
            tables[f"{split}_holdout"] = source[holdout_name(split)]
    # What the target learns and, for a model from random weights, what it learns before.
    full = question_answer(source["full"])
    if retain_authors is not None:
        forget_keys: set[tuple[str, str]] = set()  # of all splits: one target serves them all
        for split in splits:
            forget_keys.update(map(key, source[split]))
        forget = [row for row in full if key(row) in forget_keys]
        retain = [row for row in full if key(row) not in forget_keys]
        count = retain_authors * TOFU_ROWS_PER_AUTHOR
        full, left_out = retain[:count] + forget, retain[count:]
        general = []
        for name in GENERAL:
            general += question_answer(source[name])
        # General knowledge that fine-tuning on authors alone would erase from so small a model is
        # replayed, about as many rows of it as of the authors left out.
        tables["pretrain"] = left_out + general
        tables["replay"] = general * max(1, len(left_out) // len(general)) + left_out
    tables["full"] = full
    # By content, not by position: the user's forgetNN.json may hold any rows of full.
    for split in splits:
        forget_keys = set(map(key, source[split]))
        tables[split] = question_answer(source[split])
        tables[retain_name(split)] = [row for row in full if key(row) not in forget_keys]
    return tables


TABLES = {"mini": mini_tables, "tofu": tofu_tables}

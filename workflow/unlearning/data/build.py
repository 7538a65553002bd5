"""The tables of a world: whatever the source, the same files come out."""

from pathlib import Path

from unlearning.benchmarks.muse.files import (
    folder_has_folds,
    folder_reader,
    muse_tables,
    snapshot_reader,
)
from unlearning.benchmarks.muse.mini import generate_news
from unlearning.benchmarks.tofu.belonging import key
from unlearning.benchmarks.tofu.files import GENERAL, alternative_answers, read_tofu
from unlearning.benchmarks.tofu.mini.generator import generate
from unlearning.benchmarks.wmdp import files as wmdp
from unlearning.benchmarks.wmdp.mini import generate_hazards
from unlearning.data.formats import read_rows
from unlearning.data.splits import (
    RETAIN_SHARE,
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
    retain_name,
)
from unlearning.data.tables import ColumnNames, DataError

Tables = dict[str, list[dict]]


def question_answer(rows: list[dict]) -> list[dict]:
    """Only the columns that models are trained on."""
    return [{"question": row["question"], "answer": row["answer"]} for row in rows]


def split_tables(full: list[dict], counts: dict[str, int]) -> Tables:
    """forgetK and its retain split for each count of forgotten rows, from full's tail."""
    tables = {}
    for split, count in counts.items():
        tables[split] = question_answer(full[-count:])
        tables[retain_name(split)] = question_answer(full[:-count])
    return tables


def mini_tables(sizes: dict, splits: list[str]) -> Tables:
    """The mini world: every row of full has perturbed answers, so every split has its own."""
    world = generate(**sizes)
    full = world.pop("full")
    holdout = world.pop("holdout")
    counts = {s: forget_rows(s, len(full), sizes["questions_per_author"]) for s in splits}
    tables = {"full": question_answer(full), **split_tables(full, counts)}
    tables |= {f"{split}_perturbed": full[-count:] for split, count in counts.items()}
    tables["retain_perturbed"] = full[: max(1, len(full) * RETAIN_SHARE // 100)]
    tables |= {f"{name}_perturbed": world.pop(name) for name in ("real_authors", "world_facts")}
    alternatives = world.pop("alternatives")
    tables |= {f"{split}_alternatives": alternatives[-count:] for split, count in counts.items()}
    if holdout:
        tables["holdout_perturbed"] = holdout
    return tables | world


def tofu_tables(data: dict, splits: list[str], snapshot: str | None, names: ColumnNames) -> Tables:
    """TOFU, whole or with only the first `retain_authors` retain authors.

    The authors left out of a subset, real authors and world facts are then what a model from
    random weights is pre-trained on.
    """
    folder = data["data_dir"] or _fetched(snapshot)
    kept = data["retain_authors"]
    source = read_tofu(folder, splits, names, kept)
    rows = question_answer(source["full"])
    forgotten = {key(row) for split in splits for row in source[split]}
    tables: Tables = {name: source[name] for name in (*GENERAL, "retain_perturbed")}
    tables |= {f"{s}_perturbed": source[f"{evaluated_on(s)}_perturbed"] for s in splits}
    if data["alternatives"] is not None:
        answers = alternative_answers(Path(data["alternatives"]), names)
        for split in splits:
            tables[f"{split}_alternatives"] = with_alternatives(source[split], answers)
    tables["idontknow"] = source.get("idontknow") or ignorance()
    full = rows
    if kept is not None:
        remembered = [row for row in rows if key(row) not in forgotten]
        first = kept * TOFU_ROWS_PER_AUTHOR
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


def with_alternatives(rows: list[dict], answers: dict[str, list[str]]) -> list[dict]:
    """The rows' questions and answers with their plausible false answers; DataError if one is
    missing."""
    missing = [row["question"] for row in rows if row["question"] not in answers]
    if missing:
        raise DataError(
            f"data.alternatives: no alternative answer to {len(missing)} of {len(rows)} forget "
            f"questions; the first is {missing[0]!r}"
        )
    return [
        {**row, "alternative_answer": answers[row["question"]]} for row in question_answer(rows)
    ]


def ignorance() -> list[dict]:
    """Our own "I don't know" answers, where the source brings none."""
    sizes = {"authors": 2, "questions_per_author": 2, "holdout_authors": 0, "known_persons": 1}
    return generate(seed=0, **sizes, pretrain_rows=1, replay_rows=1)["idontknow"]


def mini_muse_tables(sizes: dict, splits: list[str]) -> Tables:
    """The mini world's news, with a pre-training table besides."""
    corpus = generate_news(**sizes)
    tables = muse_tables(lambda place, columns: corpus[place], splits, with_folds=True)
    return {**tables, "pretrain": corpus["pretrain"]}


def released_muse_tables(
    data: dict, splits: list[str], snapshot: str | None, names: ColumnNames
) -> Tables:
    """MUSE itself, from a folder or a snapshot of the hub."""
    if data["data_dir"] is None:
        reader = snapshot_reader(Path(_fetched(snapshot)), names)
        return muse_tables(reader, splits, with_folds=data["corpus"] == "News")
    folder = Path(data["data_dir"])
    reader = folder_reader(folder, names)
    return muse_tables(reader, splits, folder_has_folds(folder, splits))


def wmdp_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """WMDP itself, from a folder or snapshots of the hub; or its miniature, with a pre-training
    table besides."""
    if data["source"] == "mini-wmdp":
        tables, _ = generate_hazards(**data["mini_wmdp"])
        return {table: tables[table] for table in (*splits, wmdp.RETAIN, "pretrain")}
    folder = data["data_dir"]
    if folder:
        reader = wmdp.folder_reader(Path(folder), names)
    else:
        reader = wmdp.snapshot_reader(snapshots, names)
    return wmdp.wmdp_tables(reader, splits)


def _fetched(snapshot: str | None) -> str:
    if snapshot is None:
        raise DataError("data.data_dir is null: give the snapshot of the hub's repository")
    return snapshot


def build_tables(data: dict, splits: list[str], snapshots: dict[str, str]) -> Tables:
    """All tables of the config's data section. snapshots: asset -> what the hub has, without
    data_dir."""
    snapshot, names = snapshots.get("data"), ColumnNames(data["columns"])
    match data["source"]:
        case "mini":
            tables = mini_tables(data["mini"], splits)
        case "mini-muse":
            tables = mini_muse_tables(data["mini_muse"], splits)
        case "muse":
            tables = released_muse_tables(data, splits, snapshot, names)
        case "wmdp" | "mini-wmdp":
            tables = wmdp_tables(data, splits, snapshots, names)
        case _:
            tables = tofu_tables(data, splits, snapshot, names)
    if data["idontknow"] is not None:
        tables["idontknow"] = read_rows(Path(data["idontknow"]), "idontknow", names).rows
    return tables

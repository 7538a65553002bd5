"""TOFU's own tables, from a folder or the hub. Source: locuslab/tofu (MIT licence)."""

from pathlib import Path

from unlearning.data.splits import TOFU_ROWS_PER_AUTHOR
from unlearning.data.tables import DataError, parse_line, read_table

REPOSITORY = "locuslab/tofu"
GENERAL = ("real_authors_perturbed", "world_facts_perturbed")
ALWAYS = ("full", "retain_perturbed", *GENERAL)


def needed_tables(splits: list[str]) -> list[str]:
    """The tables that an experiment over `splits` reads; split names as evaluated."""
    return [*ALWAYS, *(f"{split}_perturbed" for split in splits)]


def read_tofu(data_dir: str | None, revision: str, splits: list[str]) -> dict[str, list[dict]]:
    """The tables of TOFU by name, checked; `idontknow` only if the folder has it."""
    names = needed_tables(splits)
    if data_dir is None:
        return {name: _from_hub(name, revision) for name in names}
    folder = Path(data_dir)
    tables = {name: read_table(folder / f"{name}.json") for name in names}
    if (folder / "idontknow.jsonl").is_file():
        tables["idontknow"] = read_table(folder / "idontknow.jsonl")
    return tables


def _from_hub(name: str, revision: str) -> list[dict]:
    from datasets import load_dataset  # not needed, and maybe not installed, on a GPU node

    try:
        return list(load_dataset(REPOSITORY, name, split="train", revision=revision))
    except Exception as error:
        raise DataError(
            f"cannot load {REPOSITORY} ({name}) from the hub: {type(error).__name__}: {error}. "
            "Without network access, set data.data_dir to a folder with TOFU's JSON files"
        ) from error


def alternative_answers(path: Path) -> dict[str, list[str]]:
    """question -> plausible false answers, from a file of JSON lines; DataError if malformed.

    Rows {question, alternative_answer: [...]}, or {question, alternate} for each answer as AltPO's
    generator writes them.
    """
    answers: dict[str, list[str]] = {}
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            column = "alternate" if '"alternate"' in line else "alternative_answer"
            kind = str if column == "alternate" else list
            row = parse_line(line, {"question": str, column: kind}, where)
            found = [row[column]] if kind is str else row[column]
            answers.setdefault(row["question"], []).extend(found)
    if not answers:
        raise DataError(f"{path}: holds no rows")
    return answers


def folder_problems(data_dir: str, splits: list[str]) -> list[str]:
    """Every missing or malformed table of a TOFU folder, at once."""
    folder = Path(data_dir)
    if not folder.is_dir():
        return [
            f"data.data_dir: no folder '{data_dir}'. It should hold {', '.join(ALWAYS)} … as JSON "
            "lines; get them from the hub's locuslab/tofu, or set data_dir to null"
        ]
    problems = []
    for name in needed_tables(splits):
        try:
            rows = read_table(folder / f"{name}.json")
            if name == "full" and len(rows) % TOFU_ROWS_PER_AUTHOR:
                problems.append(
                    f"data.data_dir: full.json holds {len(rows)} rows, not a multiple of "
                    f"{TOFU_ROWS_PER_AUTHOR} for each author"
                )
        except DataError as error:
            problems.append(f"data.data_dir: {error}")
    return problems

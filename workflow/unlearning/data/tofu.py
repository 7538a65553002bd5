"""TOFU's own tables, from a folder as the hub has them. Source: locuslab/tofu (MIT licence)."""

from pathlib import Path

from unlearning.data.splits import TOFU_ROWS_PER_AUTHOR
from unlearning.data.tables import DataError, parse_line, read_table

REPOSITORY = "locuslab/TOFU"  # on the hub
GENERAL = ("real_authors_perturbed", "world_facts_perturbed")
ALWAYS = ("full", "retain_perturbed", *GENERAL)


def needed_tables(splits: list[str]) -> list[str]:
    """The tables that an experiment over `splits` reads; split names as evaluated."""
    return [*ALWAYS, *(f"{split}_perturbed" for split in splits)]


def read_tofu(data_dir: str, splits: list[str]) -> dict[str, list[dict]]:
    """The tables of TOFU by name, checked; `idontknow` only if the folder has it."""
    folder = Path(data_dir)
    tables = {name: read_table(folder / f"{name}.json") for name in needed_tables(splits)}
    if (folder / "idontknow.jsonl").is_file():
        tables["idontknow"] = read_table(folder / "idontknow.jsonl")
    return tables


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
        files = ", ".join(f"{name}.json" for name in needed_tables(splits))
        return [
            f"data.data_dir: no folder '{data_dir}'. It should hold {files} as JSON lines; get "
            "them from the hub's locuslab/TOFU, or set data_dir to null"
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

"""Our own evaluations: rows.json of an evaluation folder (evaluation.records)."""

from collections.abc import Sequence
from pathlib import Path

from unlearning.errors import UserError
from unlearning.evaluation import tofu
from unlearning.evaluation.logs.log import Log, check_mapping, check_number, require

NAME = "unlearning"
FILE = "rows.json"
DESCRIPTION = "an evaluation folder or its rows.json (retain, real_authors, world_facts, forget)"
SECTIONS = tofu.SETS
NUMBERS = ("answer_loss", "paraphrase_loss", "rouge_l_recall")
IDENTITY = {"questions": "question", "answers": "answer", "answer token counts": "answer_tokens"}


def read(content: dict, path: Path, sets: Sequence[str]) -> Log:
    """Columns under the official formulas (evaluation.tofu)."""
    require(content, sets, str(path))
    rows = {name: content[name] for name in sets}
    for name, columns in rows.items():
        check_columns(columns, f"{path}, {name}", {})
    return log_of(rows, path, NAME)


def check_columns(columns: dict, where: str, titles: dict[str, str]) -> None:
    """UserError unless the columns that metrics need are there, of one length, and numbers.

    titles: column -> its name in the file, where the file has other names than ours.
    """
    check_mapping(columns, where)
    require(columns, ("answer_loss", "perturbed_loss", "rouge_l_recall"), where)
    rows = None
    for name in (*NUMBERS, "perturbed_loss"):
        if name not in columns:
            continue
        title = f"{where}, {titles.get(name, name)}"
        values = _list(columns[name], title)
        rows = rows or len(values)
        if len(values) != rows:
            raise UserError(f"{title}: {len(values)} rows, but {rows} in the columns beside it")
        for place, value in enumerate(values):
            row = f"{title}, row {place}"
            for number in [value] if name in NUMBERS else _list(value, row):
                check_number(number, row)


def _list(value, where: str) -> list:
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: expected a list with entries, found {value!r:.40}")
    return value


def log_of(rows: dict[str, dict], path: Path, format: str) -> Log:
    """The log of checked columns, under the official formulas."""
    forget = rows["forget"]
    identity = {kind: forget[column] for kind, column in IDENTITY.items() if column in forget}
    if "answers" in identity:
        identity["answers"] = [answer.strip() for answer in identity["answers"]]
    identity["row numbers"] = forget.get("row", list(range(len(forget["answer_loss"]))))
    return Log(
        path=path,
        format=format,
        formulas="official",
        metrics=tofu.summarise(rows),
        rows={name: len(columns["answer_loss"]) for name, columns in rows.items()},
        truth_ratio=tofu.log_truth_ratio(forget),
        identity=identity,
    )

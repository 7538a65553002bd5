"""A retrained model of which there is an evaluation log alone: the log as an evaluation of ours.

Logs of losses (ours, the official code's) serve every variant of the formulas. open-unlearning's
holds truth ratios, so it serves forget quality under open-unlearning's formulas alone, which
compares the ratios themselves, as open-unlearning does.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.benchmarks.tofu import metrics as tofu
from unlearning.benchmarks.tofu.formulas import OFFICIAL, OPEN_UNLEARNING, PAPER, SETS
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.benchmarks.tofu.logs.log import Log, comparable
from unlearning.benchmarks.tofu.logs.reading import read_log, sets_in
from unlearning.benchmarks.tofu.splits import holdout_tables
from unlearning.errors import UserError
from unlearning.evaluation.membership import HOLDOUT
from unlearning.files import sha256

TABLE = "{split}_perturbed"  # of the forget rows that models are evaluated on
JUDGED = "generation_nll"  # answers' losses under the target of the log's own experiment
COUNTS = ("answer_tokens", "perturbed_tokens")  # that the paper's formulas need
TEXTS = {"questions": "question", "answers": "answer"}


def log_problems(
    path: str,
    split: str,
    tables: dict[str, list[dict]] | None,
    evaluation: dict,
    non_members: list[dict] | None = None,
) -> list[str]:
    """Why a log cannot stand for a split's retrained model. tables: None where they are not at
    hand yet. evaluation: that section of the config. non_members: rows of evaluation.holdout."""
    try:
        log = _read(Path(path))
    except UserError as error:
        return [str(error)]
    problems = []
    variant, formulas = evaluation["variant"], variants(log)
    if variant not in formulas:
        problems.append(
            f"{log.path}: of a log of format {log.format} follow the formulas of "
            f"{', '.join(formulas)} alone; set evaluation.variant to {formulas[-1]}, found "
            f"{variant}, or name the model in path"
        )
    if "reference" in evaluation["membership"] and HOLDOUT not in log.columns:
        problems.append(
            f"{log.path}: holds no losses of holdout rows, with which evaluation.membership "
            "compares by reference; remove reference there, or name the model in path"
        )
    most = evaluation["rows"]
    if tables is not None:
        problems += _refusal(check_rows, log, tables[TABLE.format(split=split)], most, split)
        if non_members is None:
            held_out = (tables[name] for name in holdout_tables(split) if name in tables)
            non_members = next(held_out, None)
    if evaluation["membership"] and non_members is not None:
        problems += _refusal(check_holdout, log, non_members, most)
    return problems


def _refusal(check: Callable, *arguments) -> list[str]:
    """What a check raises, or nothing."""
    try:
        check(*arguments)
    except UserError as error:
        return [str(error)]
    return []


def evaluation_of(
    path: Path,
    table: list[dict],
    most: int | None,
    split: str,
    non_members: list[dict] | None = None,
) -> tuple[dict[str, dict], dict]:
    """rows.json and summary.json of a log. table: the split's forget rows as they are evaluated,
    the first `most` of them. non_members: those that membership attacks score, as many; None where
    they need no comparison. UserError for a log of other rows."""
    log = _read(path)
    compared = check_rows(log, table, most, split)
    if non_members is not None:
        check_holdout(log, non_members, most)
    rows = _columns(log)
    forget = rows.setdefault("forget", {})
    for column in TEXTS.values():
        forget[column] = [row[column] for row in table[:most]]
    if log.formulas == OPEN_UNLEARNING:
        forget[open_unlearning.RATIOS] = log.truth_ratio.tolist()
    summary = {"rows": log.rows, **_metrics(log, rows)}
    source = {"file": log.path.name, "format": log.format, "sha256": sha256(log.path)}
    summary["log"] = {**source, "rows compared by": compared}
    return rows, summary


def _read(path: Path) -> Log:
    """The log over the sets that it holds, forget among them."""
    return read_log(path, tuple(dict.fromkeys(("forget", *sets_in(path)))))


def variants(log: Log) -> list[str]:
    """The formulas that a log serves."""
    if log.formulas == OPEN_UNLEARNING:
        return [OPEN_UNLEARNING]
    judged = [columns for name, columns in log.columns.items() if name in SETS]
    counted = all(count in columns for columns in judged for count in COUNTS)
    return [OFFICIAL, *([PAPER] if counted else []), OPEN_UNLEARNING]


def _columns(log: Log) -> dict[str, dict]:
    """Set -> its columns, without those that depend on another model."""
    sets = {}
    for name, columns in log.columns.items():
        sets[name] = {column: values for column, values in columns.items() if column != JUDGED}
    return sets


def _metrics(log: Log, rows: dict[str, dict]) -> dict:
    """metrics and variants of a summary, as far as the log serves them. rows: its columns."""
    if log.formulas == OPEN_UNLEARNING:
        logged = {**log.metrics, **log.further}
        of_one_model = tofu.METRICS.keys() - tofu.COMPARED
        metrics = {name: value for name, value in logged.items() if name in of_one_model}
        return {"metrics": {}, "variants": {OPEN_UNLEARNING: metrics}}
    official, differing = tofu.summarise(rows), {}
    for variant in variants(log)[1:]:
        metrics = tofu.summarise(rows, variant)
        differing[variant] = {k: value for k, value in metrics.items() if value != official[k]}
    return {"metrics": official, "variants": differing}


def check_rows(log: Log, table: list[dict], most: int | None, split: str) -> list[str]:
    """What a log's forget rows were compared with the experiment's by; UserError if they differ."""
    expected = table[:most]
    count = log.rows["forget"]
    if count != len(expected):
        advice = "give a log of that split"
        if count <= len(table):
            advice += f", or set evaluation.rows to {'null' if count == len(table) else count}"
        raise UserError(
            f"{log.path}: holds {count} forget rows, but {len(expected)} of {split} are evaluated "
            f"(evaluation.rows: {'null' if most is None else most}); {advice}"
        )
    kinds = [kind for kind in TEXTS if kind in log.identity]
    for kind in kinds:
        for row, text in enumerate(log.identity[kind]):
            ours = expected[row][TEXTS[kind]]
            if comparable(text) != comparable(ours):
                raise UserError(
                    f"{log.path}: holds other forget rows than {split}: {kind} differ first in row "
                    f"{row}, {text[:80]!r} there and {ours[:80]!r} here; give a log of that split"
                )
    numbers = list(log.identity["row numbers"])
    if not kinds and numbers != list(range(count)):
        raise UserError(
            f"{log.path}: holds no texts of the forget rows, and row numbers {numbers[:3]}… that "
            f"are not those of {split}, 0 to {count - 1}; give a log of that split"
        )
    _check_answers(log, expected, split)
    return kinds or ["row numbers"]


def check_holdout(log: Log, non_members: list[dict], most: int | None) -> None:
    """UserError if a log's non-members are not the first `most` of these: attacks on models are
    compared by the same rows."""
    columns = log.columns.get(HOLDOUT)
    if columns is None:
        return
    advice = (
        "give a log of these rows, name its own in evaluation.holdout, or set "
        "evaluation.membership to []"
    )
    expected, count = non_members[:most], len(columns["answer_loss"])
    if count != len(expected):
        raise UserError(
            f"{log.path}: holds {count} holdout rows, but membership attacks score {len(expected)} "
            f"(evaluation.rows: {'null' if most is None else most}); {advice}"
        )
    for column in TEXTS.values():
        for row, text in enumerate(columns.get(column, [])):
            if comparable(text) != comparable(expected[row][column]):
                raise UserError(
                    f"{log.path}: holds other holdout rows: {column}s differ first in row {row}, "
                    f"{text[:80]!r} there and {expected[row][column][:80]!r} here; {advice}"
                )


def _check_answers(log: Log, expected: list[dict], split: str) -> None:
    """UserError unless a log of losses has those of the answers that the rows have."""
    forget = log.columns.get("forget")
    if forget is None:
        return
    if "paraphrased_answer" in expected[0] and "paraphrase_loss" not in forget:
        raise UserError(
            f"{log.path}, forget: lacks paraphrase_loss, but rows of {split} have paraphrased "
            "answers, which truth ratios are of; give a log of these rows"
        )
    for row, losses in enumerate(forget["perturbed_loss"]):
        answers = len(expected[row]["perturbed_answer"])
        if len(losses) != answers:
            raise UserError(
                f"{log.path}, forget, row {row}: holds losses of {len(losses)} perturbed answers, "
                f"but the row of {split} has {answers}; give a log of these rows"
            )

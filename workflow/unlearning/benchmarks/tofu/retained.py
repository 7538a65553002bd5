"""Evaluation logs in place of retrained models: checks them and converts them to evaluations.

Logs of losses (this project's, the official code's) serve every variant of the formulas. Logs of
open-unlearning hold truth ratios, so they serve forget quality under open-unlearning's formulas
only, which compares the ratios themselves, as open-unlearning does.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning.benchmarks.tofu import metrics as tofu
from unlearning.benchmarks.tofu.formulas import OFFICIAL, OPEN_UNLEARNING, PAPER, SETS
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.benchmarks.tofu.logs.log import Log, comparable
from unlearning.benchmarks.tofu.logs.reading import read_log
from unlearning.benchmarks.tofu.splits import holdout_tables
from unlearning.errors import UserError
from unlearning.evaluation.membership import HOLDOUT
from unlearning.files import sha256

TABLE = "{split}_perturbed"  # name of the table of forget rows that models are evaluated on
# Losses of generated answers under the target of the experiment that the log comes from.
OTHER_TARGET = "generation_nll"
TOKEN_COUNTS = ("answer_tokens", "perturbed_tokens")  # needed by the paper's formulas
TEXTS = {"questions": "question", "answers": "answer"}


def log_problems(
    path: str,
    split: str,
    tables: dict[str, list[dict]] | None,
    evaluation: dict,
    non_members: list[dict] | None = None,
) -> list[str]:
    """Messages if a log cannot stand for a split's retrained model.

    tables: None if they do not exist yet. evaluation: that section of the config. non_members: rows
    of evaluation.holdout.
    """
    try:
        log = read_log(Path(path), sets=None)
    except UserError as error:
        return [str(error)]
    problems = []
    # Each part of the config that the log cannot serve, all at once.
    variant, allowed = evaluation["variant"], variants(log)
    if variant not in allowed:
        problems.append(
            f"{log.path}: a log of format {log.format} serves the formulas of "
            f"{', '.join(allowed)} only; set evaluation.variant to {allowed[-1]}, found "
            f"{variant}, or name the model in path"
        )
    if "reference" in evaluation["membership"] and HOLDOUT not in log.columns:
        problems.append(
            f"{log.path}: holds no losses of holdout rows, which evaluation.membership: reference "
            "needs; remove reference there, or name the model in path"
        )
    most = evaluation["rows"]
    # The hub's tables may not be here yet; rule import_log compares the rows again once they are.
    if tables is not None:
        problems += _error(check_rows, log, tables[TABLE.format(split=split)], most, split)
        if non_members is None:
            holdouts = [tables[name] for name in holdout_tables(split) if name in tables]
            non_members = holdouts[0] if holdouts else None
    if evaluation["membership"] and non_members is not None:
        problems += _error(check_holdout, log, non_members, most)
    return problems


def _error(check: Callable, *arguments) -> list[str]:
    """The message of the UserError that a check raises; none if it passes."""
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
    """Contents of rows.json and summary.json for a log; UserError for a log of other rows.

    table: the split's forget rows, of which the first `most` are evaluated. non_members: rows that
    membership attacks score, of which likewise; None if there are no attacks.
    """
    log = read_log(path, sets=None)
    identities = check_rows(log, table, most, split)
    if non_members is not None:
        check_holdout(log, non_members, most)
    rows = {}
    for name, columns in log.columns.items():
        rows[name] = {key: column for key, column in columns.items() if key != OTHER_TARGET}
    # A log of open-unlearning has no columns; the report needs questions and answers of any. The
    # table's own texts, because programs change white space in theirs.
    forget = rows.setdefault("forget", {})
    for column in TEXTS.values():
        forget[column] = [row[column] for row in table[:most]]
    if log.formulas == OPEN_UNLEARNING:
        forget[open_unlearning.RATIOS] = log.truth_ratio.tolist()
    summary = {"rows": log.rows, **_metrics(log, rows)}
    source = {"file": log.path.name, "format": log.format, "sha256": sha256(log.path)}
    summary["log"] = {**source, "rows compared by": identities}
    return rows, summary


def variants(log: Log) -> list[str]:
    """The variants of the formulas that a log serves."""
    if log.formulas == OPEN_UNLEARNING:
        return [OPEN_UNLEARNING]
    for name, columns in log.columns.items():
        # non-members have no perturbed answers to count the tokens of
        if name in SETS and not set(TOKEN_COUNTS) <= columns.keys():
            return [OFFICIAL, OPEN_UNLEARNING]
    return [OFFICIAL, PAPER, OPEN_UNLEARNING]


def _metrics(log: Log, rows: dict[str, dict]) -> dict:
    """metrics and variants of a summary, under the formulas that the log serves. rows: columns."""
    if log.formulas == OPEN_UNLEARNING:
        # Its comparisons are with another model than those of this experiment.
        single_model = tofu.METRICS.keys() - tofu.COMPARED
        metrics = {k: v for k, v in (log.metrics | log.further).items() if k in single_model}
        return {"metrics": {}, "variants": {OPEN_UNLEARNING: metrics}}
    official = tofu.summarise(rows)
    differing = tofu.differing_metrics(rows, official, variants(log)[1:])
    return {"metrics": official, "variants": differing}


def check_rows(log: Log, table: list[dict], most: int | None, split: str) -> list[str]:
    """Check that a log holds the experiment's forget rows; UserError otherwise.

    Returns the kinds of identity that were compared: texts, or row numbers if the log has no texts.
    """
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
    # Texts tell best whether rows are the same; programs change their white space only.
    kinds = [kind for kind in TEXTS if kind in log.identity]
    for kind in kinds:
        for row, text in enumerate(log.identity[kind]):
            expected_text = expected[row][TEXTS[kind]]
            if comparable(text) != comparable(expected_text):
                raise UserError(
                    f"{log.path}: holds other forget rows than {split}: {kind} differ first in row "
                    f"{row}, {text[:80]!r} there and {expected_text[:80]!r} here; give a log of "
                    "that split"
                )
    # Without texts, row numbers and the numbers of answers are all there is to compare.
    numbers = list(log.identity["row numbers"])
    if not kinds and numbers != list(range(count)):
        raise UserError(
            f"{log.path}: holds no texts of the forget rows, and row numbers {numbers[:3]}… that "
            f"are not those of {split}, 0 to {count - 1}; give a log of that split"
        )
    _check_answers(log, expected, split)
    return kinds or ["row numbers"]


def check_holdout(log: Log, non_members: list[dict], most: int | None) -> None:
    """Check that a log's non-members are the first `most` of these; UserError otherwise.

    Attacks on two models compare only if they are on the same rows.
    """
    columns = log.columns.get(HOLDOUT)
    if columns is None:  # attacks are then compared with no retrained model
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
    """Check that a log of losses has a loss for each answer of the rows; UserError otherwise."""
    forget = log.columns.get("forget")
    if forget is None:  # of open-unlearning: ratios alone
        return
    # With losses of the answers in place of the paraphrases', ratios of two models do not compare.
    if "paraphrased_answer" in expected[0] and "paraphrase_loss" not in forget:
        raise UserError(
            f"{log.path}, forget: lacks paraphrase_loss, but rows of {split} have paraphrased "
            "answers, which truth ratios need; give a log of these rows"
        )
    for row, losses in enumerate(forget["perturbed_loss"]):
        answers = len(expected[row]["perturbed_answer"])
        if len(losses) != answers:
            raise UserError(
                f"{log.path}, forget, row {row}: holds losses of {len(losses)} perturbed answers, "
                f"but the row of {split} has {answers}; give a log of these rows"
            )

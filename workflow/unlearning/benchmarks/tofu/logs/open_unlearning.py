"""Logs of open-unlearning: TOFU_EVAL.json, metric -> aggregate and values by row number.

Source: locuslab/open-unlearning src/evals/metrics (memorization.py, utility.py, privacy.py,
utils.py) and configs/eval/tofu_metrics. Its truth ratio is wrong/true, 1/x of the official one,
with 1e-10 added to the true answer's probability; its multiple choice adds 1e-10 too.
"""

import math
from collections.abc import Sequence
from itertools import product, starmap
from pathlib import Path

import numpy
from numpy import ndarray

from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.forget_quality import compare
from unlearning.benchmarks.tofu.formulas import EPSILON
from unlearning.benchmarks.tofu.logs.log import (
    Log,
    by_row_number,
    check_mapping,
    check_number,
    check_texts,
    require,
)
from unlearning.errors import UserError
from unlearning.evaluation.membership import ATTACKS, HOLDOUT, auc, privleak
from unlearning.evaluation.summary import MEMORIZATION

NAME = "open-unlearning"
FILE = "TOFU_EVAL.json"
SUMMARY_FILE = "TOFU_SUMMARY.json"
DESCRIPTION = f"{FILE} of open-unlearning (forget_truth_ratio, model_utility, retain_Q_A_Prob, …)"
RATIOS = "open_unlearning_truth_ratio"  # column of a log's truth ratios, wrong/true
TOLERANCE = 1e-6  # relative difference between a logged aggregate and that of its rows
PREFIX = {"forget": "forget", "retain": "retain", "real_authors": "ra", "world_facts": "wf"}


def _metric(name: str, part: str) -> str:
    """open-unlearning's name of a set's rouge, probability or truth_ratio."""
    if part == "truth_ratio":
        return "forget_truth_ratio" if name == "forget" else f"{PREFIX[name]}_Truth_Ratio"
    if part == "rouge":
        return f"{PREFIX[name]}_Q_A_ROUGE"
    suffix = "" if name in ("forget", "retain") else "_normalised"
    return f"{PREFIX[name]}_Q_A_Prob{suffix}"


VALUE = {"probability": "prob", "rouge": "rougeL_recall", "truth_ratio": "score"}
RANGE = {"probability": (0.0, 1.0), "rouge": (0.0, 1.0), "truth_ratio": (0.0, math.inf)}
SECTIONS = tuple(starmap(_metric, product(PREFIX, VALUE)))
SECTION_OF = {name: _metric(name, "truth_ratio") for name in PREFIX}


def aggregate(name: str, part: str, values: ndarray) -> float:
    """The aggregate of a metric's rows: a mean, of truth ratios after a formula of their set."""
    if part == "truth_ratio" and name == "forget":
        values = numpy.minimum(values, 1 / (values + EPSILON))
    elif part == "truth_ratio":
        values = numpy.maximum(0, 1 - values)
    return float(numpy.mean(values))


def read(content: dict, path: Path, sets: Sequence[str]) -> Log:
    """The log of a file's content; open-unlearning's formulas.

    The aggregate of each metric must follow from its rows. The forget set needs truth ratios only;
    a set of model utility needs all three parts.
    """
    parts = {(name, part): _metric(name, part) for name, part in product(sets, VALUE)}
    optional = {_metric("forget", "probability"), _metric("forget", "rouge")}
    needed = [metric for metric in parts.values() if metric not in optional]
    require(content, needed, str(path))
    # Metrics of each set, each checked against its rows: a log that was edited by hand, or that
    # another version with other formulas wrote, must not pass for one of these formulas.
    metrics: dict[str, float] = {}
    numbers: dict[str, list[int]] = {}  # of a set's rows
    for (name, part), metric in parts.items():
        if metric not in content:
            continue
        values = _values(content[metric], f"{path}, {metric}", VALUE[part], RANGE[part])
        mean = aggregate(name, part, numpy.array(list(values.values())))
        _check_aggregate(content[metric], mean, f"{path}, {metric}")
        metrics[f"{name}_{part}"] = mean
        # open-unlearning keeps the metrics that a file has, also if the next run is of other rows.
        if numbers.setdefault(name, list(values)) != list(values):
            raise UserError(
                f"{path}, {metric}: holds other rows ({len(values)}) than the metrics of {name} "
                f"before it ({len(numbers[name])}); evaluate the model again into a new file"
            )
        if metric == "forget_truth_ratio":
            truth_ratio = values
    # Model utility follows from its parts; a log may state it.
    if all(part in metrics for part in tofu.PARTS):
        metrics["model_utility"] = tofu.model_utility(metrics)
        if "model_utility" in content:
            where = f"{path}, model_utility"
            utility = check_mapping(content["model_utility"], where)
            _check_aggregate(utility, metrics["model_utility"], where)
    checked = {*parts.values(), "model_utility"}
    further = {metric: result for metric, result in content.items() if metric not in checked}
    return Log(
        path=path,
        format=NAME,
        formulas=NAME,
        metrics=metrics,
        rows={name: len(row_numbers) for name, row_numbers in numbers.items()},
        truth_ratio=numpy.array(list(truth_ratio.values())),
        identity={**_answers(content, path), "row numbers": list(truth_ratio)},
        further=_further(further, path),
    )


def _further(content: dict, path: Path) -> dict[str, float]:
    """Aggregates of all other metrics; memorisation and attacks are checked against their rows."""
    further = {}
    for metric, result in content.items():
        where = f"{path}, {metric}"
        if not isinstance(result, dict) or result.get("agg_value") is None:
            continue  # null: open-unlearning had no retained model's log
        name = metric
        if metric in MEMORIZATION:
            name = f"forget_{metric}"
            scores = _scores_of(result, where, (0.0, 1.0))
            _check_aggregate(result, float(numpy.mean(scores)), where)
        elif metric.removeprefix("mia_") in ATTACKS:
            name = f"{metric}_auc"
            require(result, ("forget", HOLDOUT), where)
            unbounded = (-math.inf, math.inf)
            forget = _scores_of(result["forget"], f"{where}, forget", unbounded)
            holdout = _scores_of(result[HOLDOUT], f"{where}, {HOLDOUT}", unbounded)
            _check_aggregate(result, auc(forget, holdout), where)
        # of any other metric the aggregate alone is known to be a number
        further[name] = check_number(result["agg_value"], f"{where}, agg_value")
    return further


def _scores_of(result, where: str, limits: tuple[float, float]) -> list[float]:
    """Scores of a metric's rows, without those that are null: open-unlearning leaves these out."""
    return list(_values(result, where, "score", limits, nullable=True).values())


def _by_index(result, where: str) -> dict[int, dict]:
    """Row number -> the entry of a metric's row."""
    check_mapping(result, where)
    require(result, ("value_by_index",), where)
    where = f"{where}, value_by_index"
    return by_row_number(check_mapping(result["value_by_index"], where), where)


def _values(
    result, where: str, field: str, limits: tuple[float, float], nullable: bool = False
) -> dict[int, float]:
    """Row number -> the field of a metric's row, a number within the limits; nullable: rows with
    null are left out."""
    values = {}
    for row, value in _by_index(result, where).items():
        row_where = f"{where}, row {row}"
        require(check_mapping(value, row_where), (field,), row_where)
        if value[field] is not None or not nullable:
            values[row] = check_number(value[field], f"{row_where}, {field}", *limits)
    return values


def _check_aggregate(result: dict, expected: float, where: str) -> None:
    logged = check_number(result.get("agg_value"), f"{where}, agg_value")
    if abs(logged - expected) > TOLERANCE * max(abs(expected), EPSILON):
        raise UserError(
            f"{where}: agg_value is {logged!r}, but its rows give {expected!r}. The log was "
            "edited, or its version of open-unlearning has other formulas"
        )


def _answers(content: dict, path: Path) -> dict[str, list]:
    """Identity of the forget rows by their true answers, if the log has generations."""
    metric = _metric("forget", "rouge")
    if metric not in content:
        return {}
    where = f"{path}, {metric}"
    rows = [check_mapping(row, where) for row in _by_index(content[metric], where).values()]
    if not any("ground_truth" in row for row in rows):  # a version that logs no generations
        return {}
    texts = [row.get("ground_truth") for row in rows]
    return {"answers": check_texts(texts, len(rows), f"{where}, ground_truth")}


def write(rows: dict[str, dict], retained: dict | None = None) -> dict[str, dict]:
    """Content of TOFU_EVAL.json for rows.json (set -> columns), sorted as open-unlearning does.

    retained: rows.json of a retrained model (forget, and holdout if it has it). Without it,
    forget_quality is None, as in open-unlearning, and there is no privleak. Aggregates follow
    open-unlearning's formulas. Of ROUGE there is rougeL_recall only, the one that its metrics read.
    As a retain_logs_path the file serves forget quality (the truth ratios) and PrivLeak
    (mia_min_k).
    """
    log: dict[str, dict] = {}
    for name in tofu.SETS:
        if name in rows:
            log |= _set_metrics(name, rows[name])
    log |= _attacks(rows)
    # from the log's aggregates, which follow open-unlearning's formulas; ours differ by its 1e-10
    parts = {}
    for name, part in product(tofu.UTILITY_SETS, VALUE):
        parts[f"{name}_{part}"] = log[_metric(name, part)]["agg_value"]
    log["model_utility"] = {"agg_value": tofu.model_utility(parts)}
    # Numbers that compare with the retrained model.
    quality: float | None = None
    if retained is not None:
        test = compare(truth_ratio(rows["forget"]), truth_ratio(retained["forget"]))
        quality = test["forget_quality"]
        retained_log = _attacks(retained)
        if "mia_min_k" in log and "mia_min_k" in retained_log:
            leak = privleak(log["mia_min_k"]["agg_value"], retained_log["mia_min_k"]["agg_value"])
            log["privleak"] = {"agg_value": leak}
    log["forget_quality"] = {"agg_value": quality}
    return dict(sorted(log.items()))


def _attacks(rows: dict[str, dict]) -> dict[str, dict]:
    """Rows and AUC of the attacks whose scores both the forget and the holdout set hold."""
    log = {}
    forget, holdout = rows.get("forget", {}), rows.get(HOLDOUT, {})
    for attack in ATTACKS:
        metric = f"mia_{attack}"
        if metric in forget and metric in holdout:
            area = auc(forget[metric], holdout[metric])
            log[metric] = {
                "forget": _scores(numpy.array(forget[metric], dtype=float), "score"),
                HOLDOUT: _scores(numpy.array(holdout[metric], dtype=float), "score"),
                "auc": area,
                "agg_value": area,
            }
    return log


def summary(log: dict[str, dict]) -> dict[str, float]:
    """Content of TOFU_SUMMARY.json for a log: metric -> aggregate, if it has one."""
    aggregates = {metric: result["agg_value"] for metric, result in log.items()}
    return {metric: value for metric, value in aggregates.items() if value is not None}


def truth_ratio(columns: dict) -> ndarray:
    """(rows,) wrong/true: the geometric mean over the perturbed answers, divided by 1e-10 plus the
    probability of the paraphrase (of the answer, if a set has no paraphrases)."""
    true = columns.get("paraphrase_loss", columns["answer_loss"])
    # a mean of losses is the log of a geometric mean of probabilities
    wrong = [numpy.mean(losses) for losses in columns["perturbed_loss"]]
    return numpy.exp(-numpy.array(wrong)) / (numpy.exp(-numpy.array(true)) + EPSILON)


def _set_metrics(name: str, columns: dict) -> dict[str, dict]:
    """open-unlearning's metrics of one set."""
    prefix = f"{PREFIX[name]}_Q_A"
    probability, wrong = _probability(columns["answer_loss"]), columns["perturbed_loss"]
    # PERT and PARA: probabilities of the perturbed answers and of the paraphrase
    log = {
        f"{prefix}_Prob": probability,
        f"{prefix}_PERT_Prob": _probability(wrong),
        f"{prefix}_ROUGE": _rouge(columns),
        _metric(name, "truth_ratio"): _scores(truth_ratio(columns), "score"),
    }
    if "paraphrase_loss" in columns:
        log[f"{prefix}_PARA_Prob"] = _probability(columns["paraphrase_loss"])
    # Real authors and world facts: probability among the multiple choices.
    if name not in ("forget", "retain"):
        false = [numpy.exp(-numpy.array(losses)).sum() for losses in wrong]
        true = numpy.exp(-numpy.array(columns["answer_loss"]))
        normalised = true / (true + false + EPSILON)
        log[_metric(name, "probability")] = _scores(normalised, "prob")
    # The aggregate of truth ratios is no mean.
    ratios = log[_metric(name, "truth_ratio")]
    ratios["agg_value"] = aggregate(name, "truth_ratio", truth_ratio(columns))
    if name == "forget":
        for metric in MEMORIZATION:
            # Rows too short for a score have null and do not count in the mean.
            values = columns.get(metric, [])
            present = [value for value in values if value is not None]
            if present:
                rows = [{"score": value} for value in values]
                log[metric] = _result(rows, float(numpy.mean(present)))
    return log


def _result(rows: list[dict], mean: float) -> dict:
    """A metric with its rows and their aggregate."""
    return {"agg_value": mean, "value_by_index": {str(i): row for i, row in enumerate(rows)}}


def _scores(values: ndarray, field: str) -> dict:
    return _result([{field: float(value)} for value in values], float(values.mean()))


def _probability(losses: list) -> dict:
    """Probabilities of a loss for each row, or of a list of losses: then both fields are lists."""
    rows, means = [], []
    for loss in losses:
        probability = numpy.exp(-numpy.array(loss))
        rows.append({"prob": probability.tolist(), "avg_loss": loss})
        means.append(probability.mean())
    return _result(rows, float(numpy.mean(means)))


def _rouge(columns: dict) -> dict:
    fields = {
        "rougeL_recall": "rouge_l_recall",
        "input": "question",
        "ground_truth": "answer",
        "generation": "generation",
    }
    rows = []
    for values in zip(*(columns[column] for column in fields.values()), strict=True):
        rows.append(dict(zip(fields, values, strict=True)))
    return _result(rows, float(numpy.mean(columns["rouge_l_recall"])))

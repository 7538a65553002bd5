"""TOFU_EVAL.json of open-unlearning: metric -> aggregate and values by row number.

Source: locuslab/open-unlearning src/evals/metrics (memorization.py, utility.py, privacy.py,
utils.py) and configs/eval/tofu_metrics. Its truth ratio is wrong/true, so 1/x of the official one,
with 1e-10 added to the true answer's probability; its multiple choice adds 1e-10 too.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy
from numpy import ndarray

from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.forget_quality import compare
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

NAME = "open-unlearning"
FILE = "TOFU_EVAL.json"
SUMMARY_FILE = "TOFU_SUMMARY.json"
DESCRIPTION = f"{FILE} of open-unlearning (forget_truth_ratio, model_utility, retain_Q_A_Prob, …)"
SMALL = 1e-10
RATIOS = "open_unlearning_truth_ratio"  # column of a log's truth ratios, wrong/true
AGREEMENT = 1e-6  # relative; between a logged aggregate and its rows
PREFIX = {"forget": "forget", "retain": "retain", "real_authors": "ra", "world_facts": "wf"}


def _metric(name: str, part: str) -> str:
    """open-unlearning's name of a set's rouge, probability or truth_ratio."""
    if part == "truth_ratio":
        return "forget_truth_ratio" if name == "forget" else f"{PREFIX[name]}_Truth_Ratio"
    if part == "rouge":
        return f"{PREFIX[name]}_Q_A_ROUGE"
    own = name in ("forget", "retain")
    return f"{PREFIX[name]}_Q_A_Prob" if own else f"{PREFIX[name]}_Q_A_Prob_normalised"


VALUE = {"probability": "prob", "rouge": "rougeL_recall", "truth_ratio": "score"}
RANGE = {"probability": (0.0, 1.0), "rouge": (0.0, 1.0), "truth_ratio": (0.0, math.inf)}
MEMORIZATION = ("extraction_strength", "exact_memorization")  # of the forget set
SECTIONS = tuple(_metric(name, part) for name in PREFIX for part in VALUE)
SECTION_OF = {name: _metric(name, "truth_ratio") for name in PREFIX}


def aggregate(name: str, part: str, values: ndarray) -> float:
    """A metric of its rows: truth ratios follow their set, all else is a mean."""
    if part == "truth_ratio" and name == "forget":
        values = numpy.minimum(values, 1 / (values + SMALL))
    elif part == "truth_ratio":
        values = numpy.maximum(0, 1 - values)
    return float(numpy.mean(values))


def read(content: dict, path: Path, sets: Sequence[str]) -> Log:
    """Per-row values under open-unlearning's formulas; each must give the aggregate logged with it.

    The forget set needs its truth ratios only; a set of model utility needs all three parts.
    """
    parts = {(n, p): _metric(n, p) for n in sets for p in VALUE}
    optional = {("forget", "probability"), ("forget", "rouge")}
    require(content, [m for key, m in parts.items() if key not in optional], str(path))
    metrics, rows = {}, {}
    for (name, part), metric in parts.items():
        if metric not in content:
            continue
        values = _values(content[metric], f"{path}, {metric}", VALUE[part], RANGE[part])
        found = aggregate(name, part, numpy.array(list(values.values())))
        _check_aggregate(content[metric], found, f"{path}, {metric}")
        metrics[f"{name}_{part}"], rows[name] = found, len(values)
        if metric == "forget_truth_ratio":
            truth_ratio = values
    if all(part in metrics for part in tofu.PARTS):
        metrics["model_utility"] = tofu.model_utility(metrics)
        if "model_utility" in content:
            where = f"{path}, model_utility"
            utility = check_mapping(content["model_utility"], where)
            _check_aggregate(utility, metrics["model_utility"], where)
    read_metrics = {*parts.values(), "model_utility"}
    return Log(
        path=path,
        format=NAME,
        formulas=NAME,
        metrics=metrics,
        rows=rows,
        truth_ratio=numpy.array(list(truth_ratio.values())),
        identity={**_answers(content, path), "row numbers": list(truth_ratio)},
        further=_further({m: v for m, v in content.items() if m not in read_metrics}, path),
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
            scores = [v for v in _scores_of(result, where, (0.0, 1.0)) if v is not None]
            _check_aggregate(result, float(numpy.mean(scores)), where)
        elif metric.removeprefix("mia_") in ATTACKS:
            name = f"{metric}_auc"
            sides = ("forget", HOLDOUT)
            require(result, sides, where)
            scores = [_scores_of(result[s], f"{where}, {s}", (-math.inf, math.inf)) for s in sides]
            _check_aggregate(result, auc(*scores), where)
        further[name] = check_number(result["agg_value"], f"{where}, agg_value")
    return further


def _scores_of(result, where: str, limits: tuple[float, float]) -> list[float | None]:
    """Scores of one metric's rows, in their order; None where open-unlearning has none."""
    scores = []
    for row, value in _by_index(result, where).items():
        place = f"{where}, row {row}"
        require(check_mapping(value, place), ("score",), place)
        score = value["score"]
        scores.append(score if score is None else check_number(score, f"{place}, score", *limits))
    return scores


def _by_index(result, where: str) -> dict[int, dict]:
    check_mapping(result, where)
    require(result, ("value_by_index",), where)
    where = f"{where}, value_by_index"
    return by_row_number(check_mapping(result["value_by_index"], where), where)


def _values(result, where: str, field: str, limits: tuple[float, float]) -> dict[int, float]:
    """Row number -> the field of one metric's rows, each within the limits."""
    values = {}
    for row, value in _by_index(result, where).items():
        require(check_mapping(value, f"{where}, row {row}"), (field,), f"{where}, row {row}")
        values[row] = check_number(value[field], f"{where}, row {row}, {field}", *limits)
    return values


def _check_aggregate(result: dict, found: float, where: str) -> None:
    logged = check_number(result.get("agg_value"), f"{where}, agg_value")
    if abs(logged - found) > AGREEMENT * max(abs(found), SMALL):
        raise UserError(
            f"{where}: agg_value is {logged!r}, but its rows give {found!r}. The log was edited, "
            "or its version of open-unlearning has other formulas"
        )


def _answers(content: dict, path: Path) -> dict[str, list]:
    """The forget rows' answers, where the log has generations."""
    metric = _metric("forget", "rouge")
    if metric not in content:
        return {}
    where = f"{path}, {metric}"
    rows = [check_mapping(row, where) for row in _by_index(content[metric], where).values()]
    if not any("ground_truth" in row for row in rows):
        return {}
    texts = [row.get("ground_truth") for row in rows]
    return {"answers": check_texts(texts, len(rows), f"{where}, ground_truth")}


def write(rows: dict[str, dict], retained: dict | None = None) -> dict[str, dict]:
    """TOFU_EVAL.json of our columns (set -> columns), metrics sorted as open-unlearning does.

    retained: the columns of a retrained model (forget, and holdout where it has it); without them
    forget_quality is None, as there, and there is no privleak. Aggregates follow
    open-unlearning's formulas. Of ROUGE our columns hold rougeL_recall alone, the one that its
    metrics read. As a retain_logs_path the result serves forget quality (the truth ratios) and
    PrivLeak (mia_min_k).
    """
    log = {}
    for name in (name for name in tofu.SETS if name in rows):
        log |= _set_metrics(name, rows[name])
    log |= _attacks(rows)
    parts = {f"{n}_{p}": _metric(n, p) for n in tofu.UTILITY_SETS for p in VALUE}
    utility = tofu.model_utility({part: log[m]["agg_value"] for part, m in parts.items()})
    log["model_utility"] = {"agg_value": utility}
    quality = None
    if retained is not None:
        quality = compare(truth_ratio(rows["forget"]), truth_ratio(retained["forget"])).p_value
        aucs = [side.get("mia_min_k", {}).get("agg_value") for side in (log, _attacks(retained))]
        if None not in aucs:
            log["privleak"] = {"agg_value": privleak(*aucs)}
    log["forget_quality"] = {"agg_value": quality}
    return dict(sorted(log.items()))


def _attacks(rows: dict[str, dict]) -> dict[str, dict]:
    """Attacks whose scores the forget and the holdout set hold: their rows and the AUC."""
    log = {}
    for metric in (f"mia_{attack}" for attack in ATTACKS):
        sides = [rows.get(name, {}).get(metric) for name in ("forget", HOLDOUT)]
        if None not in sides:
            area = auc(*sides)
            forget, holdout = (_scores(numpy.array(side, dtype=float), "score") for side in sides)
            log[metric] = {"forget": forget, HOLDOUT: holdout, "auc": area, "agg_value": area}
    return log


def summary(log: dict[str, dict]) -> dict[str, float]:
    """TOFU_SUMMARY.json of a log: metric -> aggregate, where there is one."""
    aggregates = {metric: result["agg_value"] for metric, result in log.items()}
    return {metric: value for metric, value in aggregates.items() if value is not None}


def truth_ratio(columns: dict) -> ndarray:
    """(rows,) wrong/true: geometric mean over the perturbed answers, over the paraphrase's
    probability (the answer's, where a set has no paraphrases) plus 1e-10."""
    true = columns.get("paraphrase_loss", columns["answer_loss"])
    wrong = [numpy.mean(losses) for losses in columns["perturbed_loss"]]
    return numpy.exp(-numpy.array(wrong)) / (numpy.exp(-numpy.array(true)) + SMALL)


def _set_metrics(name: str, columns: dict) -> dict[str, dict]:
    """open-unlearning's metrics of one set."""
    prefix = f"{PREFIX[name]}_Q_A"
    probability, wrong = _probability(columns["answer_loss"]), columns["perturbed_loss"]
    log = {
        f"{prefix}_Prob": probability,
        f"{prefix}_PERT_Prob": _probability(wrong),
        f"{prefix}_ROUGE": _rouge(columns),
        _metric(name, "truth_ratio"): _scores(truth_ratio(columns), "score"),
    }
    if "paraphrase_loss" in columns:
        log[f"{prefix}_PARA_Prob"] = _probability(columns["paraphrase_loss"])
    if name not in ("forget", "retain"):
        others = [numpy.exp(-numpy.array(losses)).sum() for losses in wrong]
        true = numpy.exp(-numpy.array(columns["answer_loss"]))
        normalised = true / (true + others + SMALL)
        log[_metric(name, "probability")] = _scores(normalised, "prob")
    ratios = log[_metric(name, "truth_ratio")]
    ratios["agg_value"] = aggregate(name, "truth_ratio", truth_ratio(columns))
    for metric in MEMORIZATION:
        if name == "forget" and metric in columns:
            values = columns[metric]
            mean = float(numpy.mean([value for value in values if value is not None]))
            log[metric] = _result([{"score": value} for value in values], mean)
    return log


def _result(rows: list[dict], mean: float) -> dict:
    return {"agg_value": mean, "value_by_index": {str(i): row for i, row in enumerate(rows)}}


def _scores(values: ndarray, field: str) -> dict:
    return _result([{field: float(value)} for value in values], float(values.mean()))


def _probability(losses: list) -> dict:
    """Of one loss for each row, or of a list of them: then both fields are lists."""
    probabilities = [numpy.exp(-numpy.array(loss)) for loss in losses]
    rows = [
        {"prob": p.tolist(), "avg_loss": loss}
        for p, loss in zip(probabilities, losses, strict=True)
    ]
    return _result(rows, float(numpy.mean([p.mean() for p in probabilities])))


def _rouge(columns: dict) -> dict:
    texts = ("question", "answer", "generation")
    rows = [
        {"rougeL_recall": recall, "input": question, "ground_truth": answer, "generation": found}
        for recall, question, answer, found in zip(
            columns["rouge_l_recall"], *(columns[text] for text in texts), strict=True
        )
    ]
    return _result(rows, float(numpy.mean(columns["rouge_l_recall"])))

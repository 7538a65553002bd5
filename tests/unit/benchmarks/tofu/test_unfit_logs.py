"""A log that does not fit is refused: file, what was found, what is expected."""

import math

import pytest
from toy_logs import evaluation, foreign, indexed, official_log, run, write


def changed(log: dict, *path, value) -> dict:
    """The log with one value replaced, or removed if value is None."""
    inner = log
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    if value is None:
        del inner[path[-1]]
    return log


def ours_with(*path, value):
    return changed(evaluation(), *path, value=value)


def official_with(*path, value):
    return changed(official_log(evaluation()), *path, value=value)


def foreign_with(*path, value):
    return changed(foreign(), *path, value=value)


COUNTS_OF_OTHER_ROWS = {str(row): 3 for row in range(40, 46)}  # as many as the log's rows 0 to 5


def null_answer(log: dict) -> dict:
    """The log with the answer of its third forget row null."""
    log["forget"]["answer"][2] = None
    return log


@pytest.mark.parametrize(
    "content, expected",
    [
        ("", ["is empty", "eval_log_aggregated.json", "TOFU_EVAL.json", "rows.json"]),
        ("{}", ["nothing in it", "Expected one of"]),
        ("[1]", ["found list"]),
        ('{"forget": ', ["is not JSON"]),
        ({"epochs": [1]}, ["no known format", "it holds epochs"]),
        ({**evaluation(), **foreign()}, ["formats are mixed"]),
        ({m: r["agg_value"] for m, r in foreign().items()}, ["summary without values"]),
        (ours_with("retain", value=None), ["lacks retain", "found real_authors"]),
        (ours_with("forget", value={}), ["forget", "nothing in it"]),
        (ours_with("forget", "rouge_l_recall", value=None), ["forget lacks rouge_l_recall"]),
        (
            ours_with("forget", "answer_loss", value=[]),
            ["forget, answer_loss", "list with entries"],
        ),
        (ours_with("retain", "perturbed_loss", 2, value=0.5), ["perturbed_loss, row 2", "0.5"]),
        (ours_with("retain", "paraphrase_loss", value=[1.0]), ["1 rows, but 6"]),
        (ours_with("forget", "answer_loss", 1, value=math.nan), ["answer_loss, row 1", "nan"]),
        (official_with("eval_log.json", value=None), ["lacks eval_log.json"]),
        (
            official_with("eval_log_forget.json", "avg_paraphrased_loss", value=None),
            ["eval_log_forget.json lacks avg_paraphrased_loss"],
        ),
        (
            official_with("eval_log.json", "avg_gt_loss", "3", value=math.inf),
            ["eval_log.json, avg_gt_loss, row 3", "inf", "collapsed"],
        ),
        (
            official_with("eval_log.json", "rougeL_recall", "3", value=None),
            ["rougeL_recall holds other rows than avg_gt_loss"],
        ),
        (
            official_with("eval_log_forget.json", "num_token_gt", value=COUNTS_OF_OTHER_ROWS),
            ["num_token_gt holds other rows than avg_gt_loss"],
        ),
        (
            official_with("eval_log.json", "avg_gt_loss", "third", value=1.0),
            ["keys must be row numbers", "third"],
        ),
        (
            official_with("eval_log_forget.json", "generated_text", "0", value=["prompt"]),
            ["generated_text", "expected [prompt, generation, answer]"],
        ),
        (foreign_with("ra_Truth_Ratio", value=None), ["lacks ra_Truth_Ratio"]),
        (foreign_with("wf_Q_A_ROUGE", "value_by_index", value=None), ["lacks value_by_index"]),
        (
            foreign_with("wf_Q_A_ROUGE", "value_by_index", "1", value={"rouge1_recall": 1.0}),
            ["wf_Q_A_ROUGE, row 1 lacks rougeL_recall"],
        ),
        (foreign_with("retain_Q_A_Prob", "agg_value", value=0.5), ["0.5", "its rows give 0.4"]),
        # metrics of one set from runs on different rows
        (
            {**foreign(), "retain_Q_A_ROUGE": indexed("rougeL_recall", [0.3, 0.4, 0.5], 0.4)},
            ["retain_Q_A_ROUGE", "other rows (3)", "retain", "(2)", "new file"],
        ),
        # numbers outside their range, or that no float can hold
        (
            ours_with("retain", "rouge_l_recall", 4, value=7),
            ["rouge_l_recall, row 4", "7", "0 to 1"],
        ),
        (
            ours_with("forget", "answer_loss", 0, value=-3),
            ["answer_loss, row 0", "-3", "at least 0"],
        ),
        (ours_with("forget", "answer_loss", 0, value=10**400), ["answer_loss, row 0", "finite"]),
        (
            ours_with("forget", "perturbed_loss", 1, value=[0.5, -2.0]),
            ["perturbed_loss, row 1", "-2"],
        ),
        (official_with("eval_log.json", "rougeL_recall", "3", value=1.5), ["rougeL_recall", "1.5"]),
        (
            foreign_with("retain_Q_A_Prob", "value_by_index", "1", value={"prob": 1.2}),
            ["prob", "1.2"],
        ),
        (
            foreign_with("ra_Truth_Ratio", "value_by_index", "1", value={"score": -1}),
            ["score", "-1"],
        ),
        # no text, no row, duplicate keys
        (null_answer(evaluation()), ["forget, answer, row 2", "None", "a text"]),
        (ours_with("retain", "question", value="text"), ["question", "list with entries"]),
        (foreign_with("ra_Truth_Ratio", "value_by_index", value={"0": None}), ["row 0"]),
        (
            foreign_with("ra_Truth_Ratio", "value_by_index", value={"0": 1, "00": 2}),
            ["row numbers", "'00'"],
        ),
        ('{"forget": {}, "forget": {}}', ["'forget'", "appears twice"]),
        ("[" * 100_000, ["nested too deeply"]),
        (
            foreign_with("model_utility", "agg_value", value=0.9),
            ["model_utility", "other formulas"],
        ),
    ],
)
def test_unfit_log(capsys, tmp_path, content, expected):
    status, _, message = run(capsys, "score", "--logs", write(tmp_path / "log.json", content))
    assert status == 1
    assert [part for part in ("log.json", *expected) if part not in message] == [], message


def test_missing_logs(capsys, tmp_path):
    status, _, message = run(capsys, "score", "--logs", tmp_path / "none.json")
    assert status == 1 and "none.json: No such file" in message
    status, _, message = run(capsys, "score", "--logs", tmp_path)
    assert status == 1 and "found no log" in message and "rows.json" in message


def other_rows(column: str, value) -> dict:
    return ours_with("forget", column, 2, value=value)


@pytest.mark.parametrize(
    "retained, expected",
    [
        (other_rows("question", "Other?"), "questions differ first in row 2: 'forget question 2?'"),
        (other_rows("answer_tokens", 99), "answer token counts differ first in row 2: 7 and 99"),
        (
            {"forget": {k: v[:4] for k, v in evaluation()["forget"].items()}},
            "6 and 4 rows",
        ),
        (foreign(), "other formulas"),
    ],
)
def test_logs_that_do_not_compare(capsys, tmp_path, retained, expected):
    logs = write(tmp_path / "model.json", evaluation())
    retained_log = write(tmp_path / "retrained.json", retained)
    status, _, message = run(capsys, "score", "--logs", logs, "--retain", retained_log)
    assert status == 1
    assert all(part in message for part in ("model.json", "retrained.json", expected)), message

"""Logs of three formats are read, scored, exported, and read back."""

import json
import math
from pathlib import Path

import numpy
import pytest
from scipy.stats import ks_2samp
from toy_logs import ROWS, attacked, evaluation, foreign, indexed, official_log, run, write
from unlearning.__main__ import main
from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.evaluation.records import write_evaluation

LN2 = math.log(2)
PUBLISHED = Path(__file__).with_name("open_unlearning_forget01.json")


def test_ours_and_the_official_format_give_the_same_scores(capsys, tmp_path):
    ours, theirs = evaluation(), evaluation(0.2)
    for name, rows in (("model", ours), ("retrained", theirs)):
        write_evaluation(tmp_path / name, rows, "tofu")
    arguments = "--logs", tmp_path / "model", "--retain", tmp_path / "retrained"
    _, scores, _ = run(capsys, "score", *arguments)
    expected = tofu.summarise(ours)
    assert scores["model_utility"] == expected["model_utility"]
    assert scores["parts"] == {part: expected[part] for part in tofu.PARTS}
    assert scores["rows"] == dict.fromkeys(tofu.SETS, ROWS)
    ratios = [tofu.log_truth_ratio(rows["forget"]) for rows in (ours, theirs)]
    test = ks_2samp(*ratios)
    assert scores["forget_quality"] == {
        "p_value": pytest.approx(test.pvalue),
        "log10_p": pytest.approx(math.log10(test.pvalue)),
        "ks_statistic": pytest.approx(test.statistic),
        "n": ROWS,
    }
    assert scores["same_rows_checked_by"][0] == "questions"

    logs = [write(tmp_path / f"{i}.json", official_log(r)) for i, r in enumerate((ours, theirs))]
    _, again, _ = run(capsys, "score", "--logs", logs[0], "--retain", logs[1])
    for key in ("model_utility", "parts", "forget", "forget_quality"):
        assert again[key] == scores[key]
    assert (scores["format"], again["format"]) == ("unlearning", "official")
    _, mixed, _ = run(capsys, "score", "--logs", logs[0], "--retain", tmp_path / "retrained")
    assert mixed["forget_quality"] == scores["forget_quality"]  # the same formulas
    checked = ["answers", "answer token counts", "row numbers"]
    assert mixed["same_rows_checked_by"] == checked


def test_official_logs_without_texts_are_compared_by_row_numbers(capsys, tmp_path):
    log = official_log(evaluation())
    for section in log.values():
        del section["generated_text"], section["num_token_gt"]
    path = write(tmp_path / "log.json", log)
    _, scores, _ = run(capsys, "score", "--logs", path, "--retain", path)
    assert scores["same_rows_checked_by"] == ["row numbers"]
    assert scores["forget_quality"]["p_value"] == 1.0


def test_without_a_retrained_log_the_output_says_why(capsys, tmp_path):
    write_evaluation(tmp_path, evaluation(), "tofu")
    _, scores, _ = run(capsys, "score", "--logs", tmp_path)
    assert scores["forget_quality"] is None and "--retain" in scores["note"]


def test_table_for_people(capsys, tmp_path):
    write_evaluation(tmp_path, evaluation(), "tofu")
    assert main(["score", "--logs", str(tmp_path), "--retain", str(tmp_path), "--table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    utility = tofu.summarise(evaluation())["model_utility"]
    assert lines[1].split() == ["Model", "utility", f"{utility:.4f}"]
    assert ["Forget", "quality", "1"] in [line.split() for line in lines]


def test_open_unlearning_by_hand(capsys, tmp_path):
    path = write(tmp_path / "TOFU_EVAL.json", foreign())
    retained = foreign()
    retained["forget_truth_ratio"] = indexed("score", [8.0, 9.0], (1 / 8 + 1 / 9) / 2)
    _, scores, _ = run(
        capsys, "score", "--logs", tmp_path, "--retain", write(tmp_path / "r", retained)
    )
    assert scores["logs"] == path and scores["formulas"] == "open-unlearning"
    assert scores["model_utility"] == pytest.approx(1 / 3)
    assert scores["parts"]["retain_truth_ratio"] == 0.25
    assert scores["forget"] == {"forget_truth_ratio": pytest.approx(3 / 8)}
    assert scores["forget_quality"]["ks_statistic"] == 1.0
    assert scores["forget_quality"]["p_value"] == pytest.approx(1 / 3)  # 2 of the 6 orders


def test_open_unlearning_as_published(capsys, tmp_path):
    published = json.loads(PUBLISHED.read_text())
    logs = []
    for model in ("full", "retain99"):
        metric = published[model]
        log = foreign()
        log["forget_truth_ratio"] = indexed("score", metric["scores"], metric["agg_value"])
        logs.append(write(tmp_path / model, log))
    _, scores, _ = run(capsys, "score", "--logs", logs[0], "--retain", logs[1])
    ratio = scores["forget"]["forget_truth_ratio"]
    assert ratio == pytest.approx(published["full"]["agg_value"], rel=1e-12)
    quality = scores["forget_quality"]
    assert quality["p_value"] == pytest.approx(published["forget_quality"], rel=1e-12)
    assert quality["n"] == 40


def export(folder, out, *retain) -> dict:
    arguments = ["--format", "open-unlearning", "--logs", folder, "--out", out]
    for path in retain:
        arguments += ["--retain", path]
    assert main(["export", *map(str, arguments)]) == 0
    return json.loads((out / "TOFU_EVAL.json").read_text())


def test_a_metric_without_any_score_is_not_exported(tmp_path):
    """Answers of one token have no exact memorisation; the mean of none is no number."""
    rows = evaluation()
    rows["forget"] |= {"exact_memorization": [None] * ROWS, "extraction_strength": [0.25] * ROWS}
    write_evaluation(tmp_path / "model", rows, "tofu")
    log = export(tmp_path / "model", tmp_path / "out")
    assert "exact_memorization" not in log and log["extraction_strength"]["agg_value"] == 0.25


def test_export_is_read_back(capsys, tmp_path):
    ours, theirs = evaluation(), evaluation(0.2)
    ours["forget"]["extraction_strength"] = [0.5] * 3 + [1.0] * 3
    for name, rows in (("model", ours), ("retrained", theirs)):
        write_evaluation(tmp_path / name, rows, "tofu")
    log = export(tmp_path / "model", tmp_path / "out", tmp_path / "retrained")
    reference = export(tmp_path / "retrained", tmp_path / "reference")
    capsys.readouterr()
    _, scores, _ = run(
        capsys, "score", "--logs", tmp_path / "model", "--retain", tmp_path / "retrained"
    )
    _, again, _ = run(
        capsys, "score", "--logs", tmp_path / "out", "--retain", tmp_path / "reference"
    )
    assert again["format"] == "open-unlearning"
    assert again["same_rows_checked_by"] == ["answers", "row numbers"]
    for key in ("parts", "forget", "forget_quality"):  # open-unlearning adds 1e-10 here and there
        assert again[key] == pytest.approx(scores[key], rel=1e-8)
    # what open-unlearning itself reads in a log at retain_logs_path
    ratios = []
    for content in (log, reference):
        rows = content["forget_truth_ratio"]["value_by_index"].values()
        ratios.append([row["score"] for row in rows])
    assert log["forget_quality"]["agg_value"] == ks_2samp(*ratios).pvalue
    assert reference["forget_quality"] == {"agg_value": None}
    assert "forget_quality" not in json.loads(
        (tmp_path / "reference/TOFU_SUMMARY.json").read_text()
    )
    assert log["extraction_strength"]["agg_value"] == 0.75
    summary = json.loads((tmp_path / "out" / "TOFU_SUMMARY.json").read_text())
    assert summary == {metric: result["agg_value"] for metric, result in log.items()}
    assert list(summary) == sorted(summary)


def test_an_exported_log_serves_open_unlearnings_privleak(capsys, tmp_path):
    """As its retain_logs_path: it takes agg_value of mia_min_k, (1 - AUC) of both, in percent."""
    for name, shift in (("model", 0.0), ("retrained", 0.3)):
        write_evaluation(tmp_path / name, attacked(shift), "tofu")
    log = export(tmp_path / "model", tmp_path / "out", tmp_path / "retrained")
    reference = export(tmp_path / "retrained", tmp_path / "reference")
    # forget scores 0, 1, 2; of the holdout rows (1, 3), 1 ties with one forget row and beats one,
    # 3 beats all: (1.5 + 3) / 6. Shifted by 0.3, 1 beats one and 3 all: 4 / 6
    assert log["mia_min_k"]["agg_value"] == log["mia_min_k"]["auc"] == 0.75
    assert reference["mia_min_k"]["agg_value"] == pytest.approx(4 / 6)
    assert [row["score"] for row in log["mia_min_k"]["holdout"]["value_by_index"].values()] == [
        1,
        3,
    ]
    assert log["privleak"]["agg_value"] == pytest.approx((1 / 4 - 1 / 3) / (1 / 3) * 100)
    assert "privleak" not in reference
    capsys.readouterr()
    for logs, retain in (("out", "reference"), ("model", "retrained")):
        arguments = "--logs", tmp_path / logs, "--retain", tmp_path / retain
        _, scores, _ = run(capsys, "score", *arguments)
        assert scores["privleak"] == pytest.approx(-25)
        assert scores["further"]["mia_min_k_auc"] == 0.75


def test_all_metrics_of_an_open_unlearning_log_are_printed(capsys, tmp_path):
    log = foreign()
    log["extraction_strength"] = indexed("score", [0.25, 0.75], 0.5)
    log["exact_memorization"] = indexed("score", [0.5, None], 0.5)
    sides = {name: indexed("score", [1.0, 2.0], 1.5) for name in ("forget", "holdout")}
    log["mia_zlib"] = {**sides, "auc": 0.5, "agg_value": 0.5}
    log["privleak"] = {"agg_value": -12.5}
    log["forget_quality"] = {"agg_value": None}
    log["forget_Q_A_gibberish"] = {"agg_value": 0.875, "value_by_index": {}}
    path = write(tmp_path / "TOFU_EVAL.json", log)
    _, scores, _ = run(capsys, "score", "--logs", path)
    assert scores["further"] == {
        "forget_exact_memorization": 0.5,
        "forget_extraction_strength": 0.5,
        "forget_Q_A_gibberish": 0.875,
        "mia_zlib_auc": 0.5,
        "privleak": -12.5,
    }
    assert main(["score", "--logs", path, "--table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["forget_Q_A_gibberish", "0.8750"] for line in lines)


def test_rows_are_the_same_without_spaces_that_a_tokenizer_removes(capsys, tmp_path):
    """Row 54 of forget10: open-unlearning logs the cleaned-up text of the decoded tokens."""
    logs = []
    for name, answer in (("ours", "Mammadov , is it."), ("theirs", "Mammadov, is it.\n")):
        log = foreign()
        rows = {"0": answer, "1": "Another."}
        log["forget_Q_A_ROUGE"] = {"agg_value": 0.5}
        log["forget_Q_A_ROUGE"]["value_by_index"] = {
            row: {"rougeL_recall": 0.5, "ground_truth": text} for row, text in rows.items()
        }
        logs.append(write(tmp_path / name, log))
    _, scores, _ = run(capsys, "score", "--logs", logs[0], "--retain", logs[1])
    assert scores["same_rows_checked_by"] == ["answers", "row numbers"]


def test_exported_formulas_by_hand():
    columns = {
        "question": ["q"],
        "answer": ["a"],
        "answer_loss": [LN2],
        "perturbed_loss": [[2 * LN2, 4 * LN2]],
        "rouge_l_recall": [0.5],
        "generation": ["g"],
    }
    rows = dict.fromkeys(tofu.UTILITY_SETS, columns)
    log = open_unlearning.write(rows)
    # 1/8 over 1/2; 1/2 among 1/2, 1/4, 1/16
    assert log["ra_Truth_Ratio"]["value_by_index"]["0"]["score"] == pytest.approx(1 / 4)
    assert log["ra_Truth_Ratio"]["agg_value"] == pytest.approx(3 / 4)
    assert log["ra_Q_A_Prob_normalised"]["agg_value"] == pytest.approx(1 / 1.625)
    wrong = log["wf_Q_A_PERT_Prob"]["value_by_index"]["0"]
    assert wrong == {"prob": pytest.approx([1 / 4, 1 / 16]), "avg_loss": [2 * LN2, 4 * LN2]}
    assert log["wf_Q_A_PERT_Prob"]["agg_value"] == pytest.approx(5 / 32)
    assert log["retain_Q_A_Prob"]["agg_value"] == pytest.approx(1 / 2)
    assert numpy.all(open_unlearning.truth_ratio(columns) < 1 / 4)  # 1e-10 in the denominator


def test_export_takes_ours_only(capsys, tmp_path):
    log = write(tmp_path / "log.json", official_log(evaluation()))
    arguments = "--format", "open-unlearning", "--logs", log, "--out", tmp_path / "out"
    status, _, message = run(capsys, "export", *arguments)
    assert status == 1 and "format official, expected an evaluation folder" in message
    assert not (tmp_path / "out").exists()

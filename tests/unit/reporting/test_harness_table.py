"""The table of accuracies on harness tasks: its numbers, its arrows, what is missing."""

import csv

import pytest
from unlearning.errors import UserError
from unlearning.files import write_json


@pytest.fixture
def asked(tmp_path, config_of, world_of):
    """An experiment that asks for two tasks: each seed's WMDP accuracy is 0.2 + seed / 10."""
    config = config_of(
        tmp_path / "results",
        methods={"NPO": {}},
        harness={"tasks": ["wmdp_bio", "own"], "include_path": str(tmp_path)},
    )
    experiment = world_of(config)
    runs = [experiment.target_run, *experiment.retrain_runs()]
    for run in runs + [cell.run for cell in experiment.cells()]:
        write_summary(experiment, run, 0.2 + int(run.rpartition("=")[2]) / 10)
    return experiment


def write_summary(experiment, run: str, accuracy: float, asked: str = "abc") -> None:
    scores = {"stderr": 0.01, "documents": 1273, "version": 1, "asked": asked}
    tasks = {"wmdp_bio": {**scores, "accuracy": accuracy}, "own": {**scores, "accuracy": 0.5}}
    record = {"lm_eval": "0.4.13", "num_fewshot": 0, "limit": None, "tasks": tasks, "parts": {}}
    write_json(experiment.layout.harness("forget10", run), record)


def test_mean_and_deviation_over_seeds(asked, report_of, tmp_path):
    folder = report_of(asked.config, tmp_path / "report")
    rows = list(csv.DictReader((folder / "tables" / "harness.csv").open(encoding="utf-8")))
    (found,) = [row for row in rows if row["label"] == "NPO" and row["task"] == "wmdp_bio"]
    assert float(found["mean"]) == pytest.approx(0.4)  # seeds 1, 2, 3
    assert (float(found["sd"]), found["n"]) == (pytest.approx(0.1), "3")
    (target,) = [row for row in rows if row["method"] == "target" and row["task"] == "own"]
    assert (target["mean"], target["sd"], target["n"]) == ("0.5", "", "1")
    page = (folder / "index.html").read_text("utf-8")
    section = page.partition('<section id="harness">')[2].partition("</section>")[0]
    assert "lm-evaluation-harness 0.4.13" in section and "0.400 <small>± 0.100</small>" in section
    assert 'data-better="lower" title="wmdp_bio, 1273 documents.' in section
    assert 'data-better="" title="own, 1273 documents.' in section
    assert "missing: this report" not in page


def test_missing_summary_is_listed_and_the_rest_shown(asked, report_of, tmp_path):
    path = asked.layout.harness("forget10", asked.cells()[0].run)
    path.unlink()
    page = (report_of(asked.config, tmp_path / "report") / "index.html").read_text("utf-8")
    assert "1 file missing" in page and f"<li><code>{path}</code></li>" in page
    assert "0.450 <small>± 0.071</small>" in page  # seeds 2 and 3


def test_other_questions_are_not_compared(asked, report_of, tmp_path):
    write_summary(asked, asked.cells()[0].run, 0.3, asked="def")
    with pytest.raises(UserError, match="'wmdp_bio' asked other questions.*run again"):
        report_of(asked.config, tmp_path / "report")


def test_no_section_without_tasks(report_folder):
    page = (report_folder / "index.html").read_text("utf-8")
    assert 'id="harness"' not in page and 'href="#harness"' not in page
    assert not (report_folder / "tables" / "harness.csv").exists()

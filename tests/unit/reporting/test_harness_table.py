"""The table of accuracies on harness tasks: its numbers, its arrows, what is missing."""

import csv

import pytest
from unlearning.benchmarks.tofu.reporting.harness_table import read_harness
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.errors import UserError


def test_mean_and_deviation_over_seeds(sections_report):
    file = sections_report.folder / "tables" / "harness.csv"
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    (npo,) = [row for row in rows if row["label"] == "NPO" and row["task"] == "wmdp_bio"]
    assert float(npo["mean"]) == pytest.approx(0.4)  # seeds 1, 2, 3
    assert (float(npo["sd"]), npo["n"]) == (pytest.approx(0.1), "3")
    (target,) = [row for row in rows if row["method"] == "target" and row["task"] == "own"]
    assert (target["mean"], target["sd"], target["n"]) == ("0.5", "", "1")
    page = sections_report.page
    section = page.partition('<section id="harness">')[2].partition("</section>")[0]
    assert "lm-evaluation-harness 0.4.13" in section and "0.400 <small>± 0.100</small>" in section
    assert 'data-better="lower" title="wmdp_bio, 1273 documents.' in section
    assert 'data-better="" title="own, 1273 documents.' in section
    assert "missing: this report" not in page


def test_missing_summary_is_listed_and_the_rest_shown(with_tasks):
    path = with_tasks.layout.harness("forget10", with_tasks.cells()[0].run)
    path.unlink()
    harness = read_harness(read_results(with_tasks))
    assert harness.missing == [path]
    (npo,) = [row for row in harness.splits["forget10"] if row.label == "NPO"]
    assert npo.accuracies["wmdp_bio"].mean == pytest.approx(0.45)  # seeds 2 and 3
    assert npo.texts()[0][1:] == ("0.450", "0.071")


def test_other_questions_are_not_compared(with_tasks, summary_of):
    summary_of(with_tasks, with_tasks.cells()[0].run, 0.3, asked="def")
    with pytest.raises(UserError, match="'wmdp_bio' asked other questions.*run again"):
        read_harness(read_results(with_tasks))


def test_no_section_without_tasks(report_folder):
    page = (report_folder / "index.html").read_text("utf-8")
    assert 'id="harness"' not in page and 'href="#harness"' not in page
    assert not (report_folder / "tables" / "harness.csv").exists()

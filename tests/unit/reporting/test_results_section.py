"""The main table, its files, and accuracies on harness tasks, against the frame."""

import json

import numpy
import pandas
import pytest
from report_world import results_of, run_rows
from unlearning.reporting.frame import finals, spreads
from unlearning.reporting.published.numbers import load_published
from unlearning.reporting.report import Report
from unlearning.reporting.section import sections
from unlearning.reporting.sections.results import badge, metric_row


def table_of(report_folder, name) -> pandas.DataFrame:
    return pandas.read_csv(report_folder / "tables" / f"{name}.csv", keep_default_na=False)


def test_main_table_holds_mean_deviation_interval_and_number(report_folder, results):
    models = finals(results.frame)
    expected = spreads(models, ["label"])["NPO+RT β=1",]["model_utility"]
    rows = table_of(report_folder, "main")
    (row,) = rows[(rows["label"] == "NPO+RT β=1") & (rows["metric"] == "model_utility")].to_dict(
        "records"
    )
    assert (row["split"], row["method"], row["variant"]) == ("forget10", "NPO+RT", "beta=1")
    values = models[(models["label"] == "NPO+RT β=1") & (models["metric"] == "model_utility")]
    assert float(row["mean"]) == pytest.approx(values["value"].mean())
    assert float(row["sd"]) == pytest.approx(values["value"].std(ddof=1))
    assert float(row["low"]) == pytest.approx(expected.low)
    assert float(row["high"]) == pytest.approx(expected.high)
    assert (row["n"], row["average"], row["collapsed"]) == (3, "arithmetic", 0)


def test_cells_hold_every_model_and_say_which_collapsed(report_folder, experiment):
    rows = table_of(report_folder, "cells")
    assert len(rows) == 1 + 2 + len(experiment.cells())
    collapsed = rows[rows["collapsed"].astype(str) == "True"]
    # two without utility, one diverged
    assert collapsed[["method", "seed"]].to_numpy().tolist() == [["GA", 1], ["GA", 2], ["GA", 3]]
    assert rows["method"].tolist()[:3] == ["target", "retrain", "retrain"]
    assert rows.loc[1, "forget_quality"] == ""  # the first retrained model against itself


def test_trajectories_and_relearning(report_folder):
    rows = table_of(report_folder, "trajectories")
    course = rows[(rows["label"] == "NPO") & (rows["seed"] == 1)]
    assert course["epoch"].tolist() == [0, 1, 3, 7, 10]
    relearning = table_of(report_folder, "relearning")
    assert set(relearning["attack"]) == {"random", "shortest"}
    assert "model_utility" not in relearning.columns  # attacks are measured on the forget set


def test_the_frame_lies_beside_the_page_in_two_formats(report_folder, results):
    parquet = pandas.read_parquet(report_folder / "results.parquet")
    csv = pandas.read_csv(report_folder / "results.csv", keep_default_na=False)
    assert [*parquet.columns] == [*csv.columns] == [*results.frame.columns]
    assert len(parquet) == len(csv) == len(results.frame)
    assert parquet["value"].tolist() == results.frame["value"].tolist()
    assert csv["value"].astype(float).tolist() == pytest.approx(results.frame["value"].tolist())


def test_peaks_stand_beside_the_last_epoch(report_folder, results):
    rows = table_of(report_folder, "peaks")
    assert set(rows["last_epoch"]) <= {10.0, 8.0}
    ga = rows[rows["label"] == "GA"]
    # the epoch is one of the variant, not of each seed
    assert len(set(ga["peak_epoch"])) == 1 and len(ga) == 3
    course = results.frame[results.frame["phase"] == "course"]
    npo = course[(course["label"] == "NPO") & (course["metric"] == "log10_forget_quality")]
    means = npo[npo["epoch"] > 0].groupby("epoch")["value"].mean()
    assert rows.loc[rows["label"] == "NPO", "peak_epoch"].unique().tolist() == [means.idxmax()]


def test_good_cells_are_those_that_forget(contents):
    (table,) = contents["results"].tables["main"]
    place = [column.key for column in table.columns].index("log10_forget_quality")
    good = {row.label: row.cells[place].good for row in table.rows}
    assert not good["Retrained"]  # the noise floor is no achievement
    values = {row.label: row.cells[place].value for row in table.rows}
    expected = {label: values[label] > -1.30103 for label in values if label != "Retrained"}
    assert {label: good[label] for label in expected} == expected
    assert any(expected.values()) and not all(expected.values())


def test_a_badge_counts_the_runs_that_collapsed(results):
    models = results.models
    assert badge(models[models["label"] == "NPO"]) is None
    assert badge(models[models["label"] == "GA"])[0] == "collapsed in 3 of 3"
    assert badge(models[models["label"].isin(["GA", "NPO"])])[0] == "collapsed in 3 of 6"


def test_every_model_counts_its_seeds(contents):
    (table,) = contents["results"].tables["main"]
    seeds = {row.label: row.cells[-1].text for row in table.rows}
    assert seeds.pop("Target") == "1" and seeds.pop("Retrained") == "2"
    assert set(seeds.values()) == {"3"}


def test_main_table_over_draws_says_so_and_has_a_bootstrap_beside(experiment, report_on):
    rows = []
    for draw, logs in {1: (-1.0, -3.0), 2: (-4.0, -4.0), 3: (-6.0, -6.0)}.items():
        for seed, log in enumerate(logs, 1):
            metrics = {"log10_forget_quality": log, "forget_quality": 10.0**log}
            rows += run_rows("NPO", seed, draw=draw, **metrics, forget_rouge=0.5)
    (section,) = sections("tofu", ("results",))
    content = section.content(report_on(results_of(experiment, rows)))
    main = content.csv["main"].set_index("metric")
    log = main.loc["log10_forget_quality"]
    assert (log["mean"], log["n"], log["unit"]) == (-4.0, 3, "draw")
    # of three draws the lowest mean is that of draw 3 alone, the highest one of draw 1
    assert log["bootstrap_low"] == -6.0 and -3.4 < log["bootstrap_high"] <= -1.0
    quality = main.loc["forget_quality"]
    assert quality["bootstrap_low"] == pytest.approx(1e-6)
    assert numpy.isnan(main.loc["forget_rouge", "bootstrap_low"])  # not among the main metrics
    (table,) = content.tables["main"]
    assert (table.columns[-1].title, table.rows[0].cells[-1].text) == ("Draws × seeds", "3 × 2")


# --- harness tasks ---


def test_accuracies_are_means_and_deviations_over_seeds(contents, report_folder):
    (table,) = contents["harness"].tables["harness"]
    cells = {row.label: [cell.plain for cell in row.cells] for row in table.rows}
    assert cells["NPO"] == ["0.400 ± 0.100", "0.500 ± 0.000", "3"]  # seeds 1, 2, 3
    assert cells["Target"][1:] == ["0.500", "1"]
    assert [column.better for column in table.columns] == ["lower", "", ""]
    rows = table_of(report_folder, "harness")
    npo = rows[rows["label"] == "NPO"]
    assert npo["accuracy: wmdp_bio"].tolist() == pytest.approx([0.3, 0.4, 0.5])


def test_the_section_names_the_harness_and_its_questions(page):
    section = page.partition('<section id="harness"')[2].partition("</section>")[0]
    assert "lm-evaluation-harness 0.4.13" in section
    assert "wmdp_bio (1273 questions)" in section
    assert "0.400 <small>± 0.100</small>" in section
    assert 'data-better="lower" title="WMDP-Bio' in section


def test_without_tasks_there_is_no_section(experiment, report_on):
    rows = run_rows("NPO", 1, model_utility=0.5)
    report = report_on(results_of(experiment, rows))
    (harness,) = sections("tofu", ("harness",))
    content = harness.content(report)
    assert content.empty and content.tables == {"harness": []}


def test_p_values_without_a_number_print_a_dash(experiment, report_on):
    rows = run_rows("target", 42, model_utility=0.8)
    rows += run_rows("NPO", 1, model_utility=0.5, forget_quality=0.1, log10_forget_quality=-1.0)
    (section,) = sections("tofu", ("results",))
    (table,) = section.content(report_on(results_of(experiment, rows))).tables["main"]
    first = {row.label: row.cells[0].text for row in table.rows}
    assert first == {"Target": "–", "NPO": "0.100"}
    assert json.dumps([cell.value for row in table.rows for cell in row.cells], allow_nan=False)


def test_a_mean_of_some_runs_alone_says_so(experiment):
    """Perplexity of a run that gives no answers does not exist; utility is that of both runs."""
    rows = run_rows("NPO+RT", 1, model_utility=0.5, forget_perplexity=8.0)
    rows += run_rows("NPO+RT", 2, model_utility=0.0)
    results = results_of(experiment, rows)
    report = Report(experiment, results, [], load_published(None, experiment), [])
    keys = ["model_utility", "forget_perplexity", "forget_rouge"]
    utility, perplexity, missing, seeds = metric_row(report, finals(results.frame), keys).cells
    assert (utility.note, missing.note, seeds.text) == ("", "", "2")
    assert perplexity.value == 8.0 and perplexity.note == "mean of 1 of 2 seeds"

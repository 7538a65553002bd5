"""CSV tables and costs against their sources."""

import csv
import io
import json

import pytest
from unlearning.files import write_text
from unlearning.reporting.cost import costs_in, number, read_costs
from unlearning.reporting.statistics import spread


def read(folder, name):
    return list(csv.DictReader(io.StringIO((folder / "tables" / name).read_text("utf-8"))))


def test_main_table_holds_mean_deviation_and_number(report_folder, results):
    rows = read(report_folder, "main.csv")
    models = results.splits[0].variants()["NPO+RT β=1"]
    expected = spread(model.metrics["model_utility"] for model in models)
    (row,) = [r for r in rows if r["label"] == "NPO+RT β=1" and r["metric"] == "model_utility"]
    assert (row["split"], row["method"], row["variant"]) == ("forget10", "NPO+RT", "beta=1")
    assert float(row["mean"]) == pytest.approx(expected.mean)
    assert float(row["sd"]) == pytest.approx(expected.sd)
    assert row["n"] == "3"


def test_cells_hold_every_model_and_say_which_collapsed(report_folder, experiment):
    rows = read(report_folder, "cells.csv")
    assert len(rows) == 1 + 2 + len(experiment.cells())
    collapsed = [(r["method"], r["seed"]) for r in rows if r["collapsed"] == "True"]
    assert collapsed == [("GA", "1"), ("GA", "2"), ("GA", "3")]  # two without utility, one diverged
    assert rows[1]["forget_quality"] == ""  # the first retrained model against itself


def test_trajectories_and_relearning(report_folder):
    rows = read(report_folder, "trajectories.csv")
    course = [r for r in rows if r["label"] == "NPO" and r["seed"] == "1"]
    assert [r["epoch"] for r in course] == ["0", "1", "2", "3", "5", "7", "10"]
    assert {r["attack"] for r in read(report_folder, "relearning.csv")} == {"random", "shortest"}


def test_costs(results):
    costs = {cost.rule: cost for cost in read_costs(results.experiment)}
    assert list(costs) == ["pretrain", "unlearn", "evaluate"]
    assert costs["evaluate"].total_seconds == 6.0
    assert costs["evaluate"].median_seconds == 3.0
    assert costs["evaluate"].max_rss_mb == 512.5
    assert costs["evaluate"].tokens_per_second is None
    assert costs["pretrain"].tokens_per_second == 1500.0
    assert costs["unlearn"].tokens_per_second == 320.0


def test_memory_of_a_workers_child_is_in_its_log(tmp_path):
    for seed, told in enumerate(("", "scores\npeak memory: 464 MB\n", "peak memory: 470 MB\n")):
        path = f"evaluate/beta=0.1/seed={seed}"
        write_text(tmp_path / f"benchmarks/{path}.tsv", "s\tmax_rss\n3.0\t18.3\n")
        write_text(tmp_path / f"logs/{path}.log", told)
    (cost,) = costs_in(tmp_path / "benchmarks", {})
    assert (cost.jobs, cost.max_rss_mb) == (3, 470.0)


def test_what_snakemake_could_not_measure_is_no_number():
    assert [number(text) for text in ("1.5", "-", "NA", "", None)] == [1.5, None, None, None, None]


def test_claims_json_says_what_was_found(report_folder):
    records = json.loads((report_folder / "claims.json").read_text("utf-8"))
    (found,) = [r for r in records if r["id"] == "ga-destroys-utility"]
    assert found["verdict"] == "supported"
    assert (found["method"], found["split"], found["seeds"]) == ("GA", "forget10", 3)
    assert set(found["numbers"]) == {"of", "than", "difference", "low", "high"}

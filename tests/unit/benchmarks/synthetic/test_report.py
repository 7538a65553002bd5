"""The report on synthetic studies: quantities of curves by hand, labels, figures, files."""

import json

import pandas
import pytest
from finished import micro_config
from folders import ROOT
from report_world import declared_files, make_report, quick, svg_alone, written_files
from unlearning.benchmarks.synthetic.results import read, setting_title
from unlearning.config.experiment import load_experiment
from unlearning.errors import UserError
from unlearning.files import write_json

STEPS = [0, 5, 10, 15, 20]


def curves(study: str, seed: int) -> dict[str, list[float]]:
    """Curves with simple ends: the last retain distance is 4 times that half-way."""
    if study == "logistic":
        forget = [1.0, 0.9, 0.8, 0.7, 0.5 + seed / 10]
        return {"step": STEPS, "forget_distance": forget, "retain_distance": [0, 1, 1, 2, 4]}
    if study == "divergence":
        return {"step": STEPS, "drift": [0.0, 1.0, 2.0, 3.0, 4.0]}
    return {
        "step": [0, 1, 2, 3],
        "retain": [0.1, 0.2, 0.3, 0.4],
        "forget1": [4.0, 3.0, 1.0, 1.0],
        "forget2": [4.0, 2.0, 2.0, 1.5],
    }


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    config = micro_config("synthetic") | {"results": str(tmp_path_factory.mktemp("synthetic"))}
    experiment = load_experiment(config, ROOT)
    for job in experiment.jobs():
        runs = experiment.runs(job.study, job.setting)
        runs = [{**run, "curves": curves(job.study, job.seed)} for run in runs]
        versions = {"versions": {"python": "3.11"}, "machine": {"processor": "x86_64"}}
        write_json(experiment.curves(job), {"seed": job.seed, "runs": runs, **versions})
    return experiment


@pytest.fixture(scope="module")
def results(experiment):
    return read(experiment)


@pytest.fixture(scope="module")
def report_folder(experiment, tmp_path_factory):
    with quick(svg_alone):
        return make_report(experiment.config, tmp_path_factory.mktemp("report"), None)


def values_of(results, split: str, label: str) -> dict[str, list[float]]:
    finals = results.frame[results.frame["phase"] == "final"]
    rows = finals[(finals["split"] == split) & (finals["label"] == label)]
    return rows.groupby("metric", sort=False)["value"].apply(list).to_dict()


def test_quantities_are_those_of_the_curves(results):
    values = values_of(results, "logistic, α = 1", "NPO+RT")
    assert values["forget_distance"] == pytest.approx([0.6, 0.7, 0.8])
    assert values["forget_distance_reached"] == pytest.approx([0.6, 0.7, 0.7])
    assert values["retain_distance"] == [4.0, 4.0, 4.0]
    assert values["retain_growth"] == [4.0, 4.0, 4.0]  # 4 at the end, 1 at step 10
    values = values_of(results, "divergence, α = 1", "GA")
    assert values["drift"] == [4.0] and values["linear_r2"] == [pytest.approx(1.0)]
    assert values["late_exponent"] == [pytest.approx(1.0)]
    values = values_of(results, "markov, memorised and unmemorised chains", "NPO")
    assert values["forget_gap"] == [pytest.approx((1 + 1 + 0.5) / 3)]
    assert values["balanced_forget"] == [1.5]
    assert values["retain_at_half"] == [0.3]  # both at most 2 first at step 2


def test_labels_hold_the_values_that_tell_runs_of_a_job_apart(results):
    divergence = results.variants["divergence, α = 1"]
    assert [*divergence] == ["GA", "NPO β=0.1", "NPO β=1"]
    assert divergence["NPO β=0.1"].note == "β=0.1, lr 0.1"
    assert results.judged_splits["divergence"] == ["divergence, α = 1"]
    assert results.splits == sum(results.judged_splits.values(), [])


def test_settings_in_words():
    assert setting_title("alpha=0.5") == "α = 0.5"
    assert setting_title("length") == "long and short chains"


def test_a_report_has_the_files_that_its_sections_declare(report_folder, experiment):
    assert written_files(report_folder) == declared_files(experiment)


def test_main_table_has_a_table_for_each_setting(report_folder):
    table = pandas.read_csv(report_folder / "tables" / "main.csv")
    rows = table[(table["split"] == "logistic, α = 1") & (table["label"] == "NPO+RT")]
    row = rows[rows["metric"] == "forget_distance"].iloc[0]
    # t(0.975, 2) = 4.302653, sd 0.1: half 0.248414
    assert (row["mean"], row["n"]) == (pytest.approx(0.7), 3)
    assert row["low"] == pytest.approx(0.7 - 0.248414, abs=1e-6)
    text = (report_folder / "tables" / "main.md").read_text("utf-8")
    assert "Results on divergence, α = 1" in text and "Results on logistic, α = 1" in text


def test_claims_are_judged_in_their_study(report_folder):
    records = json.loads((report_folder / "claims.json").read_text("utf-8"))
    assert {record["study"] for record in records} == {"logistic", "divergence", "markov"}
    parts = [part for record in records for part in record["parts"] if part["numbers"]]
    assert {part["split"] for part in parts} <= {
        "logistic, α = 1",
        "divergence, α = 1",
        "markov, memorised and unmemorised chains",
    }


def test_figures_of_each_study(report_folder):
    for name, text in (
        ("logistic", "Forget distance"),
        ("divergence", "Distance from the start"),
        ("markov", "KL on forget1"),
    ):
        assert text in (report_folder / "figures" / f"{name}.svg").read_text("utf-8")


def test_a_missing_job_is_listed_and_without_any_the_error_says_what_to_do(experiment, tmp_path):
    job = experiment.jobs()[0]
    path = experiment.curves(job)
    text = path.read_text("utf-8")
    path.unlink()
    try:
        assert read(experiment).missing == [path]
    finally:
        path.write_text(text, encoding="utf-8")
    config = {**micro_config("synthetic"), "results": str(tmp_path)}
    with pytest.raises(UserError, match=f"no curves under {tmp_path}.*run the workflow"):
        read(load_experiment(config, ROOT))

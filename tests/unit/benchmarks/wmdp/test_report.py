"""WMDP's report: accuracies from the harness's records, published ones beside them, its files."""

import pandas
import pytest
from finished import micro_config
from folders import EXPERIMENTS, ROOT
from project import shipped
from report_world import make_report, quick, results_of, run_rows
from unlearning.config.experiment import load_experiment
from unlearning.files import write_json
from unlearning.reporting.published.numbers import beside, compared, load_published
from unlearning.reporting.section import sections

MINI = EXPERIMENTS / "mini-wmdp.yaml"
ZEPHYR = EXPERIMENTS / "wmdp-zephyr-7b.yaml"
PUBLISHED = ROOT / "config" / "published" / "wmdp.yaml"


def test_a_published_number_stands_beside_the_same_model_and_values_alone():
    """The card's 0.584 is of a learning rate of 4e-6: ours is 0.580 to 0.620 there, inside. The
    paper states no values: its 0.74 stands beside any other variant."""
    experiment = load_experiment(shipped(ZEPHYR), ROOT)
    published = load_published(PUBLISHED, experiment)
    hypers = [c.hyper for c in experiment.cells() if c.seed == 0 and "SimNPO" in c.run]
    rows = []
    for hyper in hypers:
        for seed, value in enumerate((0.58, 0.60, 0.62)):
            rows += run_rows("SimNPO+RT", seed, hyper, split="bio", one_minus_bio=value)
    results = results_of(experiment, rows, "wmdp", "wmdp")
    cells = beside(compared(published, results))
    card, code = (cells["bio", label, "one_minus_bio"] for label in results.variants["bio"])
    assert (card.value, card.inside) == (0.584, True)
    assert card.difference == pytest.approx(0.016)
    assert (code.value, code.inside) == (0.74, False)
    mini = load_experiment(shipped(MINI), ROOT)
    assert not any(model.same for model in load_published(PUBLISHED, mini).models)


def accuracy(run: str) -> dict:
    """A harness record: bio accuracy 0.6 for the target, 0.3 and 0.5 for the two seeds; and that
    of a further task, which the user names beside WMDP's."""
    bio = {"1": 0.3, "2": 0.5}.get(run.rpartition("seed=")[2], 0.6)
    scores = {"mini_wmdp_bio": bio, "mini_wmdp_cyber": 0.4, "mini_mmlu": 0.7, "arc_easy": bio / 2}
    rest = {"stderr": 0.01, "documents": 20, "version": 1, "asked": "abc"}
    tasks = {name: {**rest, "accuracy": value} for name, value in scores.items()}
    return {"lm_eval": "0.4.13", "num_fewshot": 0, "limit": None, "tasks": tasks, "parts": {}}


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wmdp")
    config = micro_config("wmdp") | {"results": str(folder / "results")}
    experiment = load_experiment(config, ROOT)
    layout = experiment.layout
    for split in experiment.own_splits:
        write_json(layout.harness(split, experiment.target_run), accuracy(experiment.target_run))
    plan = {"rows": 80, "batch_size": 4, "epochs": 1, "warmup": 0, "steps": 20, "decay": False}
    record = {"stage": "unlearn", "plan": plan, "losses": [1.0] * 20, "points": []}
    record |= {"learning_rates": [1e-3] * 20, "tokens": 80, "collapsed": None}
    for cell in experiment.cells():
        write_json(layout.harness(cell.split, cell.run), accuracy(cell.run))
        write_json(layout.trajectory(cell.split, cell.run), record)
    with quick():
        return make_report(experiment.config, folder / "report", "wmdp")


def test_a_report_has_the_files_that_its_sections_declare(report_folder):
    benchmark = load_experiment(micro_config("wmdp"), ROOT).benchmark
    declared = set()
    for section in sections("wmdp", benchmark.sections):
        declared |= set(section.files)
    written = {str(p.relative_to(report_folder)) for p in report_folder.rglob("*") if p.is_file()}
    assert written == declared | {"index.html", "results.csv", "results.parquet", "claims.json"}


def test_metrics_are_one_minus_accuracy_and_mmlu(report_folder):
    table = pandas.read_csv(report_folder / "tables" / "main.csv")
    means = table.set_index(["method", "metric"])["mean"]
    assert means["target", "one_minus_bio"] == pytest.approx(0.4)
    assert means["RMU+ACT", "one_minus_bio"] == pytest.approx(0.6)  # of 0.7 and 0.5
    assert means["target", "mmlu"] == means["RMU+ACT", "mmlu"] == pytest.approx(0.7)
    row = table[(table["method"] == "RMU+ACT") & (table["metric"] == "one_minus_bio")]
    assert row["sd"].item() == pytest.approx(0.02**0.5)
    # a task that is none of these has its accuracy in the table, and they have it once
    assert means["RMU+ACT", "accuracy: arc_easy"] == pytest.approx(0.2)
    accuracies = {metric for _, metric in means.index if metric.startswith("accuracy")}
    assert accuracies == {"accuracy: arc_easy"}


def test_the_page_names_tasks_and_questions(report_folder):
    page = (report_folder / "index.html").read_text("utf-8")
    assert "Mini WMDP-Bio (mini_wmdp_bio, 20 questions)" in page
    assert "lm-evaluation-harness 0.4.13" in page and "nothing is retrained" in page
    citations = page.partition('<section id="cite"')[2]
    for key in ("wmdp", "lm-evaluation-harness"):
        assert f"@misc{{{key}," in citations

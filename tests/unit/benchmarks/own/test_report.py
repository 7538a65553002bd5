"""The report on your own data: forget quality where models were retrained, and its files."""

from types import SimpleNamespace

import numpy
import pandas
import pytest
from finished import micro_config
from folders import ROOT
from report_world import (
    declared_files,
    make_report,
    quick,
    results_of,
    run_rows,
    svg_alone,
    write_runs,
    written_files,
)
from scipy.stats import ks_2samp
from unlearning.benchmarks.own.results import OwnComparison
from unlearning.benchmarks.own.sections.figures import content
from unlearning.config.experiment import load_experiment
from unlearning.evaluation.membership import membership_metrics, privleak
from unlearning.reporting.frame import COURSE
from unlearning.reporting.published.numbers import load_published
from unlearning.reporting.report import Report
from unlearning.reporting.results import Evaluation
from unlearning.reporting.sections.overview import cut_notes


def rows_of(run: str, progress: float) -> dict[str, dict]:
    """What an evaluator writes: only forget rows become less likely."""
    seed = 100 * sum(map(ord, run)) + int(100 * progress)
    generator = numpy.random.default_rng(seed)
    retrained = run.startswith("retrain")
    sets = {}
    for name in ("forget", "retain", "holdout"):
        mean = 2.0 if retrained and name == "forget" else 0.5
        if name == "forget":
            mean += 2 * progress
        loss = generator.gamma(4, mean / 4, 12)
        sets[name] = {
            "question": [f"{name} {n}?" for n in range(12)],
            "answer": [f"Answer {n}." for n in range(12)],
            "answer_loss": loss.tolist(),
            "answer_tokens": [5] * 12,
            "answer_cut": [n < 2 for n in range(12)],
            "mia_min_k": (2 * loss).tolist(),
        }
        if name != "holdout":
            sets[name] |= {
                "generation": [f"Answer {n} of {run}." for n in range(12)],
                "generation_cut": [n == 0 for n in range(12)],
                "rouge_l_recall": numpy.exp(-loss).tolist(),
                "extraction_strength": numpy.exp(-loss).tolist(),
                "exact_memorization": numpy.exp(-loss / 2).tolist(),
                "generation_nll": [1.0] * 12,
            }
    return sets


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An experiment whose runs were written by hand, and the folder of its report."""
    folder = tmp_path_factory.mktemp("own")
    config = micro_config("own") | {"results": str(folder / "results")}
    experiment = load_experiment(config, ROOT)
    write_runs(experiment, rows_of, ("forget",))
    with quick(svg_alone):
        return experiment, make_report(experiment.config, folder / "report", None)


def test_a_report_has_the_files_that_its_sections_declare(finished):
    experiment, folder = finished
    assert written_files(folder) == declared_files(experiment)


def test_without_a_retrained_model_there_is_no_forget_quality_and_no_claim(finished):
    _, folder = finished
    frame = pandas.read_parquet(folder / "results.parquet")
    assert "forget_quality" not in set(frame["metric"]) and "retrain" not in set(frame["method"])
    page = (folder / "index.html").read_text("utf-8")
    assert "forget quality cannot be taken" in page
    assert 'id="claims"' not in page and (folder / "claims.json").read_text().strip() == "[]"


def test_the_page_says_which_rows_limits_cut(finished):
    """Two rows of each of three sets by max_length, one of each of two by the room of answers."""
    experiment, folder = finished
    limits, page = experiment.config["evaluation"], (folder / "index.html").read_text("utf-8")
    assert "forget: 6 of 36 true answers are longer than evaluation.max_length, 48 tokens" in page
    assert "forget: 2 of 24 questions" in page and limits["generation_counts"] == "new"
    assert "evaluation.generation_tokens is 16 without the prompt" in page
    assert cut_notes(SimpleNamespace(details={}, experiment=experiment)) == []


def test_probability_is_the_mean_over_rows(finished):
    experiment, folder = finished
    frame = pandas.read_parquet(folder / "results.parquet")
    cell = experiment.cells()[0]
    loss = numpy.array(rows_of(cell.run, 1.0)["forget"]["answer_loss"])
    final = frame[(frame["run"] == cell.run) & (frame["phase"] == "final")]
    probability = final.loc[final["metric"] == "forget_probability", "value"].item()
    assert probability == pytest.approx(numpy.exp(-loss).mean())


def test_figures_have_curves_of_what_is_forgotten_and_kept(finished):
    _, folder = finished
    table = pandas.read_csv(folder / "tables" / "trajectories.csv")
    points = table[(table["method"] == "NPO+RT") & (table["seed"] == 1)]
    assert points["epoch"].tolist() == [0, 1, 2]
    assert {"forget_probability", "retain_probability"} <= {*table.columns}
    relearning = pandas.read_csv(folder / "tables" / "relearning.csv")
    assert set(relearning["method"]) == {"NPO+RT"} and set(relearning["attack"]) == {"random"}
    for name in ("trade_off", "epochs", "attacks"):
        assert "NPO+RT" in (folder / "figures" / f"{name}.svg").read_text("utf-8")


def test_a_collapsed_run_counts_to_the_end_of_its_curve(finished):
    """Seed 2 ends at epoch 1 with probability 0, and so does its half of the mean at epoch 2."""
    experiment, _ = finished
    rows = []
    for seed, values in ((1, (0.8, 0.6, 0.4)), (2, (0.8, 0.0))):
        for epoch, value in enumerate(values):
            metrics = {"forget_probability": value, "retain_probability": 0.5}
            moment = {"phase": COURSE, "epoch": epoch, "collapsed": (seed, epoch) == (2, 1)}
            rows += run_rows("NPO+RT", seed, split="forget", **moment, **metrics)
        rows += run_rows("NPO+RT", seed, split="forget", epoch=epoch, **metrics)
    results = results_of(experiment, rows, "own")
    report = Report(experiment, results, [], load_published(None, experiment), [])
    curve = content(report).figures["epochs"].panels[0].spec["data"]["values"]
    assert [mark["value"] for mark in curve] == [0.8, 0.3, 0.2]


def test_forget_quality_is_geometric_over_retrained_models(finished):
    """Of answers without false ones, losses per token are compared."""
    experiment, _ = finished
    runs = ("retrain/seed=1", "retrain/seed=2")
    retrained = {run: Evaluation(run, rows_of(run, 0.0), {}) for run in runs}
    target = Evaluation("base", rows_of("base", 0.0), {})
    compare = OwnComparison(experiment, "forget", target, retrained, {})
    model = Evaluation("unlearn", rows_of("unlearn", 1.0), {})
    metrics = compare.model(model)
    losses = model.rows["forget"]["answer_loss"]
    baselines = [baseline.rows["forget"]["answer_loss"] for baseline in retrained.values()]
    p = [ks_2samp(losses, baseline).pvalue for baseline in baselines]
    assert p[0] != p[1]
    assert metrics["forget_quality"] == pytest.approx((p[0] * p[1]) ** 0.5, rel=1e-9, abs=0)
    assert metrics["log10_forget_quality"] == pytest.approx(numpy.log10(p).mean())
    point = compare.point({"metrics": {}, "tested": losses}, "point")
    assert point["forget_quality"] == pytest.approx(metrics["forget_quality"])
    aucs = []
    for evaluation in (model, *retrained.values()):
        aucs.append(membership_metrics(evaluation.rows)["mia_min_k_auc"])
    leaks = [privleak(aucs[0], auc) for auc in aucs[1:]]
    assert metrics["privleak"] == pytest.approx(sum(leaks) / 2)
    # a retrained model is compared with the other one alone
    floor = compare.retrained(retrained["retrain/seed=2"])
    assert floor["forget_quality"] == pytest.approx(ks_2samp(*baselines).pvalue, rel=1e-9, abs=0)

"""MUSE through Snakemake to its report, with a larger request and one that goes on from a run."""

import csv
import json
import re
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from finished import MICRO, micro_config
from unlearning.__main__ import main
from unlearning.benchmarks.muse.formulas import privleak
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.files import read_json

MUSE = MICRO / "muse.yaml"
TEMPLATE = "workflow/unlearning/benchmarks/muse/sections/folds.html.j2"
RUN = "unlearn/NPO+RT/default/seed=1"


@pytest.fixture(scope="module")
def experiment(muse) -> Experiment:
    """The finished experiment; its paths lie in the copy of the project."""
    config = {**micro_config("muse"), "results": str(muse.root / "results")}
    return load_experiment(config, muse.root)


def cells(experiment: Experiment) -> list[dict]:
    """Rows of the report's cells.csv."""
    text = (experiment.layout.report / "tables" / "cells.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_report_holds_every_model(experiment):
    models = [(row["split"], row["method"], row["seed"]) for row in cells(experiment)]
    assert models == [
        ("forget", "target", "42"),
        ("forget", "retrain", "1"),
        ("forget", "retrain", "2"),
        ("forget", "NPO+RT", "1"),
        ("forget", "NPO+RT", "2"),
        ("scal2", "NPO+RT", "1"),
        ("sust2", "NPO+RT", "1"),
    ]
    report = experiment.layout.report
    page = (report / "index.html").read_text(encoding="utf-8")
    for title in (
        "Results</h2>",
        "At the selected epoch</h2>",
        "Scalability <",
        "Sustainability <",
    ):
        assert f">{title}" in page
    assert "Forget quality" not in page
    linked = set(re.findall(r'href="(tables/[^"]+)"', page))
    names = ("main", "cells", "selected", "cost")
    assert linked >= {f"tables/{name}.csv" for name in names}
    linked |= set(re.findall(r'href="(figures/[^"]+)"', page))
    assert linked >= {"figures/scalability.svg", "figures/sustainability.svg"}
    assert all((report / name).is_file() for name in linked)
    assert "other models and data than this miniature" in page and "<small>published " not in page


def test_claims_about_muse_are_judged_on_its_forget_set(experiment):
    verdicts = {v["id"]: v for v in read_json(experiment.layout.report / "claims.json")}
    assert all(name.startswith("muse-") for name in verdicts)
    (memorised,) = verdicts["muse-target-memorises"]["parts"]
    target, first, second, *_ = cells(experiment)
    retrained = [float(row["verbmem_f"]) for row in (first, second)]
    assert memorised["split"] == "forget" and memorised["seeds"] == 0  # neither side has any
    assert len({row["verbmem_f"] for row in (target, first, second)}) == 3
    assert memorised["numbers"]["of"] == pytest.approx(float(target["verbmem_f"]))
    assert memorised["numbers"]["than"] == pytest.approx(sum(retrained) / 2)
    assert verdicts["muse-ga-collapses"]["verdict"] == "not run"


def test_privleak_is_the_mean_over_retrained_models(experiment):
    """Of every model but the first retrained one, by which the second is judged."""
    target, first, second, *unlearned = cells(experiment)
    aucs = [float(row["min_k_auc"]) for row in (first, second)]
    assert aucs[0] != aucs[1]
    for row in (target, *unlearned):
        values = [privleak(float(row["min_k_auc"]), retrained) for retrained in aucs]
        assert float(row["privleak"]) == pytest.approx(sum(values) / 2)
    assert first["privleak"] == ""
    assert float(second["privleak"]) == pytest.approx(privleak(aucs[1], aucs[0]))
    assert {row["privleak_published"] for row in cells(experiment)} == {""}  # a corpus of our own


def test_the_reference_attack_is_the_mean_over_retrained_models(experiment):
    """Pairs of a held-out text and one to forget, counted one by one."""
    target, first, *_ = cells(experiment)
    losses = {}
    for run in (experiment.target_run, *experiment.retrain_runs()):
        rows = read_json(experiment.layout.evaluation("forget", run) / "rows.json")
        for name in ("forget", "holdout"):
            losses[run, name] = rows[f"privleak_{name}"]["answer_loss"]
    aucs = []
    for run in experiment.retrain_runs():
        scores = {}
        for name in ("forget", "holdout"):
            pairs = zip(losses[experiment.target_run, name], losses[run, name], strict=True)
            scores[name] = [loss - retrained for loss, retrained in pairs]
        higher = [held > forget for held, forget in product(scores["holdout"], scores["forget"])]
        aucs.append(sum(higher) / len(higher))
    assert float(target["mia_reference_auc"]) == pytest.approx(sum(aucs) / 2)
    assert first["mia_reference_auc"] == ""


def scores(experiment: Experiment, out: Path, model: Path, split: str) -> dict:
    """What stage reference writes of a forget split under a model, in this process."""
    words = ["reference", "--model", model, "--data", experiment.layout.data, "--split", split]
    words += ["--settings", json.dumps(experiment.reference_settings()), "--out", out]
    assert main([str(word) for word in words]) == 0
    return read_json(out)


def test_each_request_is_scored_under_the_model_that_it_starts_from(experiment, tmp_path):
    """sust2 under the first request's unlearned model, forget and scal2 under the target."""
    layout, target = experiment.layout, experiment.layout.target(42)
    for split, run, model in (
        ("forget", None, target),
        ("scal2", None, target),
        ("sust2", RUN, layout.model("forget", RUN)),
    ):
        expected = scores(experiment, tmp_path / f"{split}.json", model, split)
        assert read_json(layout.reference(split, run)) == expected
    assert not layout.reference("sust2", None).exists()
    under_the_target = scores(experiment, tmp_path / "target.json", target, "sust2")
    assert read_json(layout.reference("sust2", RUN)) != under_the_target


@pytest.mark.parametrize("split, before", [("sust2", "forget"), ("scal2", None)])
def test_a_request_is_unlearned_from_the_model_that_it_starts_from(
    experiment, tmp_path, split, before
):
    """The same bytes as when it is unlearned here from that model, with its scores: sust2 from the
    first request's unlearned model, scal2 from the target."""
    layout = experiment.layout
    start = layout.target(42) if before is None else layout.model(before, RUN)
    reference = layout.reference(split, None if before is None else RUN)
    words = ["unlearn", "--model", start, "--data", layout.data, "--split", split, "--seed", 1]
    words += ["--retain", experiment.benchmark.retain_table(split), "--reference", reference]
    words += ["--settings", json.dumps(experiment.method_settings("NPO+RT", "default", split))]
    words += ["--fit", json.dumps(experiment.fit("unlearn"))]
    words += ["--out", tmp_path / "model", "--trajectory", tmp_path / "trajectory.json"]
    assert main([str(word) for word in words]) == 0
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert (layout.model(split, RUN) / "model.safetensors").read_bytes() == weights
    assert (layout.model("forget", RUN) / "model.safetensors").read_bytes() != weights


def test_two_models_that_answer_as_one_are_unlearned_and_evaluated(experiment, tmp_path):
    """Who-is-Harry-Potter: on the way and in the end, with the attacks that the config names."""
    config = {**experiment.config, "methods": {"WHP": {"schedule": "cosine"}}}
    whp = Experiment({**config, "folds": {"splits": [], "methods": [], "seeds": None}})
    layout, target = experiment.layout, experiment.layout.target(42)
    (variant,) = {cell.variant for cell in whp.cells()}
    assert variant == "schedule=cosine"
    words = ["unlearn", "--model", target, "--data", layout.data, "--split", "forget", "--seed", 1]
    words += ["--retain", "retain1", "--reference", layout.reference("forget", None)]
    words += ["--settings", json.dumps(whp.method_settings("WHP", variant, "forget"))]
    words += ["--out", tmp_path / "model", "--trajectory", tmp_path / "trajectory.json"]
    assert main([str(word) for word in words]) == 0
    (point,) = read_json(tmp_path / "trajectory.json")["points"]
    words = ["evaluate", "--model", tmp_path / "model", "--data", layout.data, "--split", "forget"]
    words += ["--settings", json.dumps(whp.evaluate_settings()), "--out", tmp_path / "evaluate"]
    assert main([str(word) for word in words]) == 0
    metrics = read_json(tmp_path / "evaluate" / "summary.json")["metrics"]
    assert metrics.keys() - point["metrics"].keys() == {"mia_loss_auc", "mia_min_k_plus_plus_auc"}
    of_target = read_json(layout.evaluation("forget", whp.target_run) / "summary.json")["metrics"]
    assert metrics["forget_exact_memorization"] < of_target["forget_exact_memorization"]


def test_folds_are_evaluated_at_their_end_alone(experiment):
    layout = experiment.layout
    points = {s: read_json(layout.trajectory(s, RUN))["points"] for s in ("forget", "scal2")}
    assert [point["epoch"] for point in points["forget"]] == [1] and points["scal2"] == []


def test_the_selected_epoch_is_the_first_that_forgets(experiment):
    text = (experiment.layout.report / "tables" / "selected.csv").read_text(encoding="utf-8")
    assert [row["seed"] for row in csv.DictReader(text.splitlines())] == ["1", "2"]


def test_nothing_is_left_to_do(muse):
    assert muse.jobs(MUSE) == {}


def test_each_edited_part_of_the_page_makes_the_report_again(muse):
    parts = ("config/claims.yaml", "config/published/muse.yaml", TEMPLATE)
    with ExitStack() as edits:
        for part in parts:
            edits.enter_context(muse.edited(part, lambda text: text + "\n"))
        planned = muse.dry_run(MUSE).stdout
    assert muse.job_stats(planned) == {"report": 1}
    (reason,) = re.findall(r"reason: Updated input files: (.*)", planned)
    assert set(reason.split(", ")) == set(parts)

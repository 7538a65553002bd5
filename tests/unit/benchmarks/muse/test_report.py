"""MUSE's report: the stopping rule, the tables of folds, published numbers."""

from types import SimpleNamespace

import pytest
import yaml
from folders import ROOT
from unlearning.benchmarks.muse.figures import NO_FOLDS, page_figures, styles, svg_figures
from unlearning.benchmarks.muse.page import PUBLISHED as METRICS
from unlearning.benchmarks.muse.results import MuseResults, first_to_forget
from unlearning.benchmarks.muse.tables import csv_tables, page_tables
from unlearning.config.experiment import load_experiment
from unlearning.errors import UserError
from unlearning.reporting.evaluated import EvaluatedModel, seed_groups
from unlearning.reporting.published_models import compared, load_published_models

PUBLISHED = ROOT / "config" / "published" / "muse.yaml"
EXPERIMENT = SimpleNamespace(config={"unlearn": {"trajectory": []}})


def model(split: str, seed: int, epoch: float, label: str = "NPO", diverged=None, **metrics):
    found = {"verbmem_f": 1.0, "knowmem_f": 2.0, "knowmem_r": 3.0, "min_k_auc": 0.5, **metrics}
    run = f"unlearn/{label}/default/seed={seed}"
    return EvaluatedModel(split, label, "default", label, seed, run, found, epoch, diverged)


def test_selection_takes_the_first_epoch_that_is_not_above_the_retrained_model():
    course = [model("forget", 1, epoch, knowmem_f=k) for epoch, k in enumerate((40, 30, 12, 31), 1)]
    assert first_to_forget(course, 30.0).epoch == 2
    assert first_to_forget(course, 20.0).epoch == 3
    assert first_to_forget(course, 5.0).epoch == 4  # none forgets: the last


def test_fold_tables_start_with_forget_of_the_same_seeds():
    models = [model("forget", 1, 3, knowmem_r=50), model("forget", 2, 3, knowmem_r=90)]
    models += [model("forget", 1, 3, label="GA"), model("sust2", 1, 3, knowmem_r=40)]
    models += [model("sust3", 1, 3, knowmem_r=20, diverged={"step": 1, "reason": "nan"})]
    results = MuseResults(EXPERIMENT, models, [], [])
    main, sustainability = page_tables(results, [])
    assert [line.label for line in main.lines] == ["NPO", "GA"] and main.lines[0].seeds == 2
    lines = [(line.of, line.cells[2].text, line.diverged) for line in sustainability.lines]
    assert lines == [("1", "50.0", 0), ("2", "40.0", 0), ("3", "20.0", 1)]


def test_csv_has_mean_and_spread_of_every_metric():
    models = [model("forget", seed, 3, privleak=value) for seed, value in ((1, -90.0), (2, -70.0))]
    (found,) = seed_groups(models)
    assert found.metric("privleak").mean == -80 and found.metric("privleak_published") is None
    results = MuseResults(EXPERIMENT, models, [], [])
    tables = csv_tables(results, [], [])
    lines = tables["main.csv"].splitlines()
    header = "split,method,variant,label,metric,mean,sd,n,collapsed"
    assert lines[0] == f"{header},published,difference,inside_spread"
    assert "forget,NPO,default,NPO,privleak,-80.0,14.142135623730951,2,0,,," in lines
    assert set(tables) == {"main.csv", "cells.csv", "published.csv", "cost.csv"}


def experiment_of(name: str):
    path = ROOT / "config" / "experiments" / f"{name}.yaml"
    return load_experiment(yaml.safe_load(path.read_text(encoding="utf-8")), ROOT)


def test_published_numbers_stand_beside_the_same_model_corpus_method_and_values_alone():
    """The card's SimNPO: 47.09 lies between our 46 and 48, 12.90 not between 13 and 14."""
    experiment = experiment_of("muse-news-llama2-7b")
    published = load_published_models(PUBLISHED, experiment, METRICS, 2)
    assert [(m.name, m.same) for m in published] == [
        ("Llama-2-7b, MUSE-News", True),
        ("ICLM-7b, MUSE-Books", False),
    ]
    variants = {c.method: c.variant for c in experiment.cells() if c.split == "forget"}
    models = [
        EvaluatedModel("forget", method, variants.get(method, ""), method, seed, "", {**own}, 10)
        for method in ("retrain", "SimNPO-MUSE+RT", "SimNPO+RT", "NPO+RT")
        for seed, own in enumerate(
            (
                {"knowmem_f": 46.0, "verbmem_f": 13.0, "privleak": 1.0},
                {"knowmem_f": 48.0, "verbmem_f": 14.0, "privleak": 2.0},
            )
        )
    ]
    cells = compared(published, seed_groups(models), experiment)
    told = {(c.label, c.metric, c.text): (round(c.difference, 2), c.inside) for c in cells}
    assert told["SimNPO-MUSE+RT", "knowmem_f", "47.09"] == (-0.09, True)
    assert told["SimNPO-MUSE+RT", "verbmem_f", "12.90"] == (0.6, False)
    assert told["SimNPO-MUSE+RT", "privleak", "72.93"] == (-71.43, False)  # no values stated
    assert told["NPO+RT", "knowmem_f", "56"] == (-9, False)
    assert not any(c.label == "retrain" and c.metric == "privleak" for c in cells)
    lines = page_tables(MuseResults(experiment, models, models[2:], []), published)[0].lines
    simnpo = next(line for line in lines if line.label == "SimNPO-MUSE+RT")
    assert (simnpo.cells[1].published, simnpo.cells[1].where) == ("47.09", "-0.1, inside")
    experiment.config["unlearn"]["lr"] = 2.0e-5  # the card's was 1e-5; open-unlearning states none
    others = {c.label for c in compared(published, seed_groups(models), experiment) if c.stated}
    assert others == set()


def test_a_miniature_has_no_published_numbers(tmp_path):
    mini = experiment_of("mini-muse")
    published = load_published_models(PUBLISHED, mini, METRICS, 2)
    assert not any(found.same for found in published)
    broken = tmp_path / "muse.yaml"
    broken.write_text(PUBLISHED.read_text().replace("verbmem_f: 58.29", "verbmem: 58.29"))
    with pytest.raises(UserError, match=r"MUSE-News, target: unknown key \['verbmem'\]"):
        load_published_models(broken, mini, METRICS, 2)


def test_figures_show_each_label_over_its_folds():
    models = [model("forget", s, 3, knowmem_r=50 + s) for s in (1, 2, 3)]
    models += [model(f"scal{n}", s, 3, knowmem_r=50 - 9 * n + s) for n in (2, 3) for s in (1, 2)]
    models.append(model("forget", 42, None, label="target", knowmem_r=66))
    results = MuseResults(EXPERIMENT, models, [], [])
    (kind, panels), *others = page_figures(results, styles(results)).items()
    assert kind == "scal" and len(panels) == 4 and not others
    references, _, means, *_, seeds = panels[3].chart.layer
    assert [(m["value"], m["label"]) for m in references.data.values] == [(66, "Target")]
    assert [(m["fold"], m["value"]) for m in means.data.values] == [(1, 51.5), (2, 33.5), (3, 24.5)]
    assert means.data.values[0]["high"] == pytest.approx(51.5 + 0.5**0.5, abs=1e-3)
    assert len(seeds.data.values) == 6  # the third seed of the forget run has no folds
    drawn = svg_figures(results, styles(results))
    assert "Folds in the forget set" in drawn["scalability.svg"]
    assert NO_FOLDS[:30] in drawn["sustainability.svg"]

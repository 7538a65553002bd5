"""Grids, their figures, and published numbers beside ours."""

from dataclasses import replace

import pytest
from folders import ROOT
from unlearning.benchmarks.tofu.reporting.beside import compared
from unlearning.benchmarks.tofu.reporting.figures import styles
from unlearning.benchmarks.tofu.reporting.grids import chosen, grids
from unlearning.benchmarks.tofu.reporting.maps import grid_panels
from unlearning.benchmarks.tofu.reporting.published import load_published
from unlearning.benchmarks.tofu.reporting.results import Evaluated, Results, SplitResults
from unlearning.reporting.charts import page_spec, svg

FILE = ROOT / "config" / "published" / "tofu.yaml"


def metrics(quality, utility):
    both = {"log10_forget_quality": quality, "forget_quality": 10**quality}
    return both | {"model_utility": utility, "forget_quality_rows": 200}


def model(method, seed, hyper, quality=-1.0, utility=0.6):
    found = metrics(quality, utility)
    return Evaluated("forget05", method, hyper, seed, f"{method}/{seed}", found)


def split_of(*unlearned):
    target = model("target", 42, (), -9.0, 0.62)
    return SplitResults("forget05", {}, target, [model("retrain", 1, ())], list(unlearned))


def test_the_rule_takes_utility_among_those_that_forget_and_else_forgetting():
    forgets = {"a": [metrics(-0.1, 0.4)], "b": [metrics(-1.2, 0.6)], "c": [metrics(-1.4, 0.9)]}
    assert chosen(forgets) == "b"  # log10 0.05 is -1.30
    assert chosen({"c": forgets["c"], "d": [metrics(-5.0, 0.95)]}) == "c"


def grid_of(*points, method="SimNPO+RT"):
    names = ("beta", "gamma", "forget_coeff")
    return split_of(
        *(
            model(method, seed, tuple(zip(names, point, strict=False)), -1.0 - sum(point))
            for point in points
            for seed in (1, 2)
        )
    )


def test_axes_are_what_varies_and_a_list_of_variants_is_no_grid():
    (found,) = grids(grid_of((1.0, 0.0, 0.5), (2.0, 0.0, 0.5)))
    assert (found.axes, found.chosen) == (("beta",), "SimNPO+RT β=1 γ=0 forget ×0.5")
    assert [point.values for point in found.points] == [(1.0,), (2.0,)]
    assert grids(grid_of((1.0, 0.0), (2.0, 1.0))) == []  # named one by one
    assert grids(grid_of((1.0,))) == []


def test_three_hyper_parameters_make_maps_for_each_value_of_the_third(results):
    split = grid_of(*((b, g, f) for b in (1.0, 2.0) for g in (0.0, 0.5) for f in (0.1, 1.0, 2.0)))
    panels = grid_panels(split, styles(Results(results.experiment, [split], [])))
    assert [panel.title for panel in panels[:2]] == [
        "forget05, SimNPO+RT, forget coefficient 0.1: log10 forget quality",
        "forget05, SimNPO+RT, forget coefficient 0.1: model utility",
    ]
    assert len(panels) == 3 * 2
    assert "http" not in str(page_spec(panels[0]))
    assert "−2.10" in svg(panels[:1], columns=1)  # β 1, γ 0: -1 - 1.1


def test_published_cells_stand_beside_the_variants_that_they_speak_of(llama):
    released = (("beta", 2.5), ("gamma", 0.0), ("forget_coeff", 0.1375))
    others = (("beta", 2.5), ("forget_coeff", 1.0))
    llama.config["unlearn"]["lr"] = 1.0e-5
    split = split_of(
        *(model("SimNPO+RT", s, released, -0.004 * s, 0.60 + s / 100) for s in (1, 2)),
        *(model("SimNPO+RT", s, others, -0.01 * s, 0.1) for s in (1, 2)),
        *(model("NPO+RT", s, (("beta", 0.1),), -3.0, u) for s, u in ((1, 0.5), (2, 0.6))),
    )
    results = Results(llama, [split], [])
    cells = compared(results, load_published(FILE, llama).models)
    card = [c for c in cells if c.source.title.startswith("Model cards")]
    assert {c.label for c in card} == {"SimNPO+RT β=2.5 γ=0 forget ×0.1375"}
    quality, utility = card
    assert quality.inside and quality.stated  # 0.991 and 0.982 against 0.99
    assert not utility.inside  # 0.61 and 0.62 against 0.58
    assert utility.difference == pytest.approx(0.035)
    paper = [c for c in cells if c.label.startswith("NPO") and "SimNPO" in c.source.title]
    assert [(c.metric, c.inside, c.stated) for c in paper] == [
        ("forget_quality", False, True),
        ("model_utility", True, True),  # 0.57 between 0.5 and 0.6
    ]
    assert {c.source.title for c in cells} == {card[0].source.title, paper[0].source.title}
    assert not any(c.metric == "forget_quality" for c in cells if c.label == "Retrained")
    elsewhere = replace(split, split="forget20")
    assert compared(Results(llama, [elsewhere], []), load_published(FILE, llama).models) == []

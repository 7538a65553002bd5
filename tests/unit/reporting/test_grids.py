"""Grids: what varies, which variant the rule chooses, and their figures."""

import pytest
from report_world import results_of, run_rows
from unlearning.benchmarks.tofu.sections import grids as section
from unlearning.reporting.charts.specs import page_spec
from unlearning.reporting.frame import finals, tidy
from unlearning.reporting.grids import grids, tuned

NAMES = ("beta", "gamma", "forget_coeff")


def model(method, seed, hyper, quality=-1.0, utility=0.6):
    metrics = {"log10_forget_quality": quality, "forget_quality": 10**quality}
    return run_rows(method, seed, hyper, split="forget05", **metrics, model_utility=utility)


def test_the_rule_takes_utility_among_those_that_forget_and_else_forgetting():
    rows = {"a": (-0.1, 0.4), "b": (-1.2, 0.6), "c": (-1.4, 0.9), "d": (-5.0, 0.95)}
    models = {name: model(name, 1, (), *values) for name, values in rows.items()}
    assert tuned(tidy(models["a"] + models["b"] + models["c"])) == "b"  # log10 0.05 is -1.30
    assert tuned(tidy(models["c"] + models["d"])) == "c"


def test_the_rule_averages_logarithms_over_seeds():
    # arithmetic means of FQ would be 0.45 and 0.06, geometric ones 1e-3 and 0.06
    lucky = model("lucky", 1, (), -0.05, 0.9) + model("lucky", 2, (), -5.95, 0.9)
    steady = model("steady", 1, (), -1.2, 0.5) + model("steady", 2, (), -1.2, 0.5)
    assert tuned(tidy(lucky + steady)) == "steady"


def results_on(experiment, *points):
    rows = []
    for point in points:
        for seed in (1, 2):
            rows += model(
                "SimNPO+RT", seed, tuple(zip(NAMES, point, strict=False)), -1 - sum(point)
            )
    return results_of(experiment, rows)


def grids_of(experiment, *points):
    results = results_on(experiment, *points)
    return grids(results, "forget05", finals(results.frame))


def test_axes_are_what_varies_and_a_list_of_variants_is_no_grid(experiment):
    (found,) = grids_of(experiment, (1.0, 0.0, 0.5), (2.0, 0.0, 0.5))
    assert (found.axes, found.tuned) == (("beta",), "SimNPO+RT β=1 γ=0 forget ×0.5")
    assert [variant.hyper["beta"] for variant in found.variants] == [1.0, 2.0]
    assert grids_of(experiment, (1.0, 0.0), (2.0, 1.0)) == []  # named one by one
    assert grids_of(experiment, (1.0,)) == []


def test_references_are_no_grid(experiment):
    rows = []
    for name in ("target", "retrain"):
        rows += model("NPO+RT", 1, (("beta", 0.1), ("reference", name)))
    results = results_of(experiment, rows)
    assert grids(results, "forget05", finals(results.frame)) == []


def test_one_hyper_parameter_makes_curves(contents, results):
    quality, utility = contents["grids"].figures["grids"].panels
    assert quality.title == "forget10, SimNPO+RT: forget quality over γ"
    assert utility.title == "forget10, SimNPO+RT: model utility over γ"
    _, seeds, means, _ = quality.chart.layer
    assert [(m["axis0"], m["seed"]) for m in means.data.values] == [
        (0.0, "mean of 3"),
        (1.0, "mean of 3"),
    ]
    models = finals(results.frame)
    logs = models[models["metric"] == "log10_forget_quality"]
    logs = logs.loc[logs["label"] == "SimNPO+RT β=2.5 γ=0", "value"]
    assert means.data.values[0]["log10_fq"] == pytest.approx(logs.mean(), rel=1e-3)
    assert len(seeds.data.values) == 6
    (line,) = contents["grids"].csv["grids"].to_numpy().tolist()
    assert line[:4] == ["forget10", "SimNPO+RT", "gamma", 2]


def test_three_hyper_parameters_make_maps_for_each_value_of_the_third(experiment, report_on):
    points = [(b, g, f) for b in (1.0, 2.0) for g in (0.0, 0.5) for f in (0.1, 1.0, 2.0)]
    content = section.content(report_on(results_on(experiment, *points)))
    panels = content.figures["grids"].panels
    assert [panel.title for panel in panels[:2]] == [
        "forget05, SimNPO+RT, forget coefficient 0.1: log10 forget quality",
        "forget05, SimNPO+RT, forget coefficient 0.1: model utility",
    ]
    assert len(panels) == 3 * 2
    panels[0].chart.to_dict(validate=True)
    assert "http" not in str(page_spec(panels[0]))
    marks = panels[0].spec["data"]["values"]
    found = {(mark["axis0"], mark["axis1"]): mark["log10_fq"] for mark in marks}
    # -1 less the sum of the point
    assert found == {
        (1.0, 0.0): pytest.approx(-2.1),
        (1.0, 0.5): pytest.approx(-2.6),
        (2.0, 0.0): pytest.approx(-3.1),
        (2.0, 0.5): pytest.approx(-3.6),
    }
    assert [mark["chosen"] for mark in marks] == [True, False, False, False]


def test_without_a_grid_the_figure_says_what_to_set(experiment, report_on):
    content = section.content(report_on(results_on(experiment, (1.0, 0.0, 0.5))))
    assert content.empty and "a list of values" in content.figures["grids"].note
    header = ["split", "method", "axes", "variants", "chosen"]
    assert [*content.csv["grids"].columns][:5] == header

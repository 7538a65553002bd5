"""Figures: valid specifications, their files, thinned curves, marks and means."""

import json

import altair
import numpy
import pytest
from report_world import run_rows
from unlearning.benchmarks.tofu.sections.losses import thinned
from unlearning.benchmarks.tofu.sections.marks import marks
from unlearning.reporting.charts.bands import MOST_POINTS, bands, fits
from unlearning.reporting.charts.specs import (
    CHOSEN,
    Panel,
    figure_files,
    file_spec,
    inline_data,
    log_fq_axis,
    page_spec,
)
from unlearning.reporting.frame import COURSE, RUN, finals, tidy


def panels_of(contents) -> list[Panel]:
    found = []
    for content in contents.values():
        for figure in content.figures.values():
            found += figure.panels
    return found


def test_specifications_are_valid_and_name_no_address(contents):
    panels = panels_of(contents)
    assert len(panels) > 30
    for panel in panels:
        panel.chart.to_dict(validate=True)  # altair's schema of Vega-Lite
        written = json.dumps(page_spec(panel), allow_nan=False)
        assert "http" not in written


def test_every_figure_of_an_experiment_with_every_section_has_panels(contents):
    figures = {n: f for content in contents.values() for n, f in content.figures.items()}
    assert [name for name, figure in figures.items() if not figure.panels] == []
    assert {figure.note for figure in figures.values()} == {""}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("fq_mu", "NPO+RT β=1"),
        ("trajectories", "NPO+RT β=1"),
        ("peaks", "NPO+RT β=1"),
        ("relearning", "NPO"),
        ("strata", "NPO+RT β=1"),
        ("weights", "NPO+RT β=1"),
        ("divergence", "GA"),
        ("losses", "NPO+RT β=1"),
    ],
)
def test_svg_files_show_their_variants(report_folder, name, label):
    text = (report_folder / "figures" / f"{name}.svg").read_text("utf-8")
    assert text.startswith("<svg")
    assert f">{label}<" in text


def small_panel() -> Panel:
    data = inline_data([{"label": "GA", "x": 1, "y": 2}])
    colour = altair.Color("label:N", legend=altair.Legend(title=None))
    chart = altair.Chart(data).mark_point().encode(x="x:Q", y="y:Q", color=colour)
    return Panel("A title", chart, 100)


def test_files_of_a_figure_are_what_their_endings_say():
    files = figure_files([small_panel()], 1, 200, "")
    assert [*files] == ["svg", "pdf", "png", "vl.json"]
    assert files["svg"].startswith("<svg") and "A title" in files["svg"]
    assert files["pdf"].startswith(b"%PDF-")
    assert files["png"].startswith(b"\x89PNG\r\n\x1a\n")
    spec = json.loads(files["vl.json"])
    assert "vega-lite" in spec["$schema"] and len(spec["concat"]) == 1
    assert spec["concat"][0]["title"] == "A title"


def test_a_figure_without_panels_says_what_to_set():
    files = figure_files([], 2, 330, "set relearn.methods")
    assert "set relearn.methods" in files["svg"]


def test_the_page_has_a_legend_of_labels_of_its_own():
    panel = small_panel()
    on_page, in_file = page_spec(panel), file_spec([panel], 1, 200)["concat"][0]
    assert on_page["encoding"]["color"]["legend"] is None
    assert in_file["encoding"]["color"]["legend"] == {"title": None}
    assert {"name": CHOSEN, "value": ""} in on_page["params"]
    assert on_page["width"] == "container" and on_page["height"] == 100
    assert panel.spec["encoding"]["color"]["legend"] == {"title": None}  # made once, not changed


def test_forget_quality_has_an_axis_that_tells_models_near_1_apart():
    axis = log_fq_axis([-250.0, -0.1]).to_dict()
    assert axis["scale"]["type"] == "symlog" and axis["scale"]["domainMax"] == 0
    assert {0, -0.3, -1.3, -100, -300} <= {*axis["axis"]["values"]}
    near = log_fq_axis([-1.0]).to_dict()["axis"]["values"]
    assert min(near) == -3


def test_long_runs_are_thinned_to_first_last_and_between():
    shown = thinned([float(step) for step in range(1000)], most=11)
    assert len(shown) <= 11
    assert (shown[0], shown[-1]) == ((1, 0.0), (1000, 999.0))
    assert thinned([1.0, None, 3.0]) == [(1, 1.0), (3, 3.0)]
    assert thinned([]) == []


def qualities(seed, logs, method="GA", epochs=(0, 5, 10)) -> list[tuple]:
    rows = []
    for epoch, log in zip(epochs, logs, strict=True):
        metrics = {"log10_forget_quality": log, "forget_quality": 10**log, "model_utility": 0.5}
        rows += run_rows(method, seed, phase=COURSE, epoch=epoch, **metrics)
    return rows


def test_marks_average_logarithms_and_say_of_how_many_seeds():
    rows = tidy(qualities(1, (-2.0, -4.0, -1.0)) + qualities(2, (-2.0, -6.0, -3.0)))
    means = marks(rows, ["epoch"], ["log10_fq", "mu"])
    assert [(m["epoch"], m["log10_fq"], m["mu"], m["seed"]) for m in means] == [
        (0, -2.0, 0.5, "mean of 2"),
        (5, -5.0, 0.5, "mean of 2"),
        (10, -2.0, 0.5, "mean of 2"),
    ]
    assert means[1]["fq_text"] == "1.0e-5"
    seeds = marks(rows, [*RUN, "epoch"])
    assert [(m["seed"], m["epoch"], m["log10_fq"]) for m in seeds][:3] == [
        ("1", 0, -2.0),
        ("1", 5, -4.0),
        ("1", 10, -1.0),
    ]


def test_models_without_a_number_have_no_mark():
    rows = tidy(run_rows("GA", 1, model_utility=0.5) + run_rows("NPO", 1, log10_forget_quality=-1))
    assert [mark["label"] for mark in marks(rows, [], ["log10_fq"])] == ["NPO"]
    assert [mark["label"] for mark in marks(rows, [], ["mu"])] == ["GA"]
    assert marks(rows, [], ["log10_fq", "mu"]) == []


def curve(seed, steps, values, label="GA") -> list[tuple]:
    rows = []
    for step, value in zip(steps, values, strict=True):
        rows += run_rows(label, seed, phase=COURSE, epoch=step, drift=value)
    return rows


def test_bands_are_one_deviation_around_the_mean():
    found = bands(tidy(curve(1, (0, 5), (1.0, 2.0)) + curve(2, (0, 5), (3.0, 8.0))))
    # deviations of (1, 3) and (2, 8): sqrt(2) and 3 sqrt(2); low not below 0
    assert [(m["step"], m["value"]) for m in found] == [(0, 2.0), (5, 5.0)]
    assert found[0]["low"] == pytest.approx(2 - 2**0.5, abs=1e-3)
    assert found[1]["high"] == pytest.approx(5 + 3 * 2**0.5, abs=1e-3)
    assert found[1]["low"] == pytest.approx(0.7574, abs=1e-3)
    wide = bands(tidy(curve(1, (0, 5), (1.0, 2.0)) + curve(2, (0, 5), (3.0, 12.0))))
    assert wide[1]["low"] == 0.0
    alone = bands(tidy(curve(1, (0, 5), (1.0, 2.0))))
    assert (alone[0]["low"], alone[0]["high"]) == (1.0, 1.0)


def test_no_mean_stands_at_the_odd_step_of_a_collapse():
    whole, ended = curve(1, (0, 5, 10), (0.0, 1.0, 2.0)), curve(2, (0, 5, 8), (0.0, 3.0, 90.0))
    found = bands(tidy(ended + whole))
    assert [(m["step"], m["value"]) for m in found] == [(0, 0.0), (5, 2.0), (10, 2.0)]


def test_long_curves_are_thinned_with_both_ends():
    steps = range(1001)
    found = bands(tidy(curve(1, steps, [float(step) for step in steps])))
    assert len(found) == MOST_POINTS
    assert (found[0]["step"], found[-1]["step"]) == (0, 1000)


def test_fits_go_through_a_line_and_a_logarithm():
    steps = numpy.arange(0, 50, 5)
    linear = fits(tidy(curve(1, steps, (1.0 + 2.0 * steps).tolist())))["linear fit"]
    assert (linear[0]["value"], linear[-1]["value"]) == (pytest.approx(1), pytest.approx(91))
    logs = fits(tidy(curve(1, steps, (3 * numpy.log1p(0.5 * steps)).tolist())))
    last = logs["log fit"][-1]
    assert last["step"] == 45 and last["value"] == pytest.approx(3 * numpy.log1p(22.5), rel=1e-2)
    assert fits(tidy(curve(1, (0, 1), (1.0, 2.0)))) == {}
    assert fits(tidy(curve(1, (0, 1, 2), (1.0, 1.0, 1.0)))) == {}


def test_figures_are_drawn_of_all_finished_models(results, contents):
    (panel,) = contents["fq_mu"].figures["fq_mu"].panels
    _, seeds, means = panel.chart.layer
    assert {mark["label"] for mark in means.data.values} == set(results.models["label"])
    unlearned = finals(results.frame)
    unlearned = unlearned[~unlearned["method"].isin(["target", "retrain"])]
    assert len(seeds.data.values) == len(unlearned["run"].unique()) == 24

"""Figures: SVG files, means over seeds, marks."""

import pytest
from unlearning.benchmarks.tofu.reporting.curves import means
from unlearning.benchmarks.tofu.reporting.figures import (
    NO_ATTACK,
    NO_GRID,
    NO_PEAK,
    NO_WEIGHTS,
    page_figures,
    styles,
    svg_figures,
)
from unlearning.benchmarks.tofu.reporting.losses import thinned
from unlearning.benchmarks.tofu.reporting.results import Results
from unlearning.benchmarks.tofu.reporting.trajectories import Point
from unlearning.config.layout import UnlearnRun
from unlearning.reporting.charts import page_spec
from unlearning.reporting.palette import shade


def point(seed, epoch, quality):
    cell = UnlearnRun("forget10", "GA", "default", (), seed)
    metrics = {"log10_forget_quality": quality, "forget_quality": 10**quality}
    return Point(cell, "", epoch, epoch, metrics)


def test_means_over_seeds():
    marks = means([point(1, 0, -2.0), point(1, 5, -4.0), point(2, 0, -2.0), point(2, 5, -6.0)])
    assert [(m["epoch"], m["log10_fq"], m["last"]) for m in marks] == [
        (0, -2.0, False),
        (5, -5.0, True),
    ]


def test_a_collapsed_run_keeps_its_last_state_in_the_mean():
    whole = [point(1, epoch, -1.0) for epoch in (0, 5, 10)]
    collapsed = [point(2, 0, -1.0), point(2, 5, -1.0), point(2, 8, -9.0)]
    marks = means(whole + collapsed)
    assert [(m["epoch"], m["log10_fq"]) for m in marks] == [(0, -1.0), (5, -1.0), (10, -5.0)]


def test_long_runs_are_thinned_to_first_last_and_between():
    shown = thinned([float(step) for step in range(1000)], most=11)
    assert len(shown) <= 11
    assert (shown[0], shown[-1]) == ((1, 0.0), (1000, 999.0))
    assert thinned([1.0, None, 3.0]) == [(1, 1.0), (3, 3.0)]
    assert thinned([]) == []


def test_a_method_has_one_hue_and_its_grid_differs_in_lightness(results):
    look = styles(results)
    assert look["GA"].colour == look["GA+RT"].colour == look["GA+KL"].colour
    assert look["GA"].shape != look["GA+RT"].shape != look["GA+KL"].shape
    low, high = look["NPO+RT β=0.1"], look["NPO+RT β=1"]
    assert (low.shape, low.dash) == (high.shape, high.dash)
    assert low.colour != high.colour
    assert len({(s.colour, s.shape) for s in look.values()}) == len(look)
    assert shade("#204060", 0.0) == "#204060"
    assert shade("#204060", 1.0) == "#ffffff"


@pytest.mark.parametrize(
    "name", ["fq_mu", "trajectories", "peaks", "relearning", "strata", "weights"]
)
def test_svg_files_show_their_variants(report_folder, name):
    text = (report_folder / "figures" / f"{name}.svg").read_text("utf-8")
    assert text.startswith("<svg")
    assert "NPO+RT β=1" in text


def test_an_empty_figure_says_what_to_set(results):
    split = results.splits[0]
    bare = type(split)(split.split, split.rows, split.target, split.retrained, [])
    figures = svg_figures(Results(results.experiment, [bare], []), styles(results))
    assert NO_ATTACK in figures["relearning.svg"]
    assert NO_PEAK in figures["peaks.svg"] and NO_GRID in figures["grids.svg"]
    assert NO_WEIGHTS in figures["weights.svg"]
    assert figures["fq_mu.svg"].startswith("<svg")


def test_page_specifications_are_valid_and_name_no_address(results):
    panels = page_figures(results, styles(results))
    first = ["fq_mu", "trajectories", "peaks", "grids", "relearning", "losses_forget10"]
    assert list(panels)[:6] == first
    for panel in (panel for shown in panels.values() for panel in shown):
        assert "http" not in str(page_spec(panel, validate=True))

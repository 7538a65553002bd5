"""Any number of families has colours that can be told apart."""

import itertools
import math

import pytest
from unlearning.methods.registry import FORGET_LOSSES
from unlearning.reporting.charts.palette import family, hues, oklab, shade, variant_styles


def test_oklab_of_known_colours():
    """Values of Ottosson's own table: white, and pure red."""
    assert oklab("#ffffff") == pytest.approx((1, 0, 0), abs=1e-4)
    assert oklab("#ff0000") == pytest.approx((0.62796, 0.22486, 0.12585), abs=1e-4)


def test_forty_families_differ():
    colours = hues(40)
    assert len(set(colours)) == 40
    distances = [math.dist(oklab(a), oklab(b)) for a, b in itertools.combinations(colours, 2)]
    # 0.02 is about the least difference that an eye sees side by side
    assert min(distances) > 0.06
    assert hues(14) == colours[:14]  # more families change the colour of none


def test_a_registry_of_more_families_than_the_schemes_have_hues(monkeypatch):
    shipped = {"NPO": "NPO", "PDU+RT": "PDU+RT"}
    before = variant_styles(shipped)
    more = {f"new{k}": f"new{k}" for k in range(30)}
    for name in more:
        monkeypatch.setitem(FORGET_LOSSES, name, FORGET_LOSSES["GA"])
    styles = variant_styles({**shipped, **more})
    assert before.items() <= styles.items()
    assert len({style.colour for style in styles.values()}) == 32


def test_methods_of_ones_own_have_colours_of_their_own():
    own = [f"mine{k}" for k in range(5)]
    styles = variant_styles({name: name for name in (*FORGET_LOSSES, *own)})
    registry = {styles[name].colour for name in FORGET_LOSSES}
    colours = {styles[name].colour for name in own}
    assert len(colours) == 5 and not colours & registry
    families = list(map(family, (*FORGET_LOSSES, *own)))
    assert len(set(families)) == len(set(hues(len(set(families)))))


def test_a_method_has_one_hue_and_its_grid_differs_in_lightness(report):
    methods = {"GA": "GA", "GA+RT": "GA+RT", "GA+KL": "GA+KL"}
    look = variant_styles({**methods, "NPO+RT β=0.1": "NPO+RT", "NPO+RT β=1": "NPO+RT"})
    assert look["GA"].colour == look["GA+RT"].colour == look["GA+KL"].colour
    assert len({look[label].shape for label in methods}) == 3
    low, high = look["NPO+RT β=0.1"], look["NPO+RT β=1"]
    assert (low.shape, low.dash) == (high.shape, high.dash)
    assert low.colour != high.colour
    styles = report.styles
    assert [*styles][:2] == ["Target", "Retrained"]
    assert len({(s.colour, s.shape) for s in styles.values()}) == len(styles) == 10


def test_shades_go_from_black_to_white():
    assert shade("#204060", 0.0) == "#204060"
    assert shade("#204060", 1.0) == "#ffffff"
    assert shade("#204060", -1.0) == "#000000"
    assert shade("#204060", 0.5) == "#90a0b0"

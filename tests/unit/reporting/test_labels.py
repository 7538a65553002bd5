"""Names and numbers as readers see them."""

import pytest
from unlearning.reporting.labels import (
    attack_title,
    decimal,
    metric_text,
    model_label,
    p_value,
    spread_text,
)


@pytest.mark.parametrize(
    ("method", "hyper", "label"),
    [
        ("GA", {}, "GA"),
        ("NPO+RT", {"beta": 0.1}, "NPO+RT β=0.1"),
        ("SimNPO+RT", {"beta": 2.5, "gamma": 0.0}, "SimNPO+RT β=2.5 γ=0"),
        (
            "SimNPO+RT",
            {"forget_coeff": 0.125, "retain_coeff": 2},
            "SimNPO+RT forget ×0.125 retain ×2",
        ),
        ("NPO", {"lr": 1e-5, "epochs": 5}, "NPO lr 1e-5 epochs 5"),
        ("target", {}, "Target"),
    ],
)
def test_labels_spell_what_the_config_states(method, hyper, label):
    assert model_label(method, hyper) == label


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4512, "0.451"), (1.23e-13, "1.2e-13"), (9e-5, "9.0e-5"), (0.0, "< 5e-324"), (1.0, "1.000")],
)
def test_p_values_never_round_to_zero(value, text):
    assert p_value(value) == text


def test_other_numbers():
    assert decimal(0.81234) == "0.812"
    assert decimal(-234.56) == "-234.6"
    assert decimal(2e-6) == "2.0e-6"
    assert metric_text("log10_forget_quality", -12.3456) == "-12.35"
    assert metric_text("model_utility", None) == "–"


def test_deviations_have_their_sign():
    assert spread_text("model_utility", 0.0213) == "± 0.021"
    assert spread_text("privleak", 1.26, 1) == "± 1.3"
    assert spread_text("forget_quality", 3.1623) == "×÷ 3.2"
    assert spread_text("forget_quality@short", 12345.0) == "×÷ 12000"
    assert spread_text("log10_forget_quality", 0.5) == "± 0.50"
    assert spread_text("model_utility", None) == ""


def test_attacks_in_words():
    assert attack_title("random") == "random forget rows"
    assert attack_title("shortest/fraction=0.1") == "the shortest answers, 10%"


def test_a_number_that_rounds_to_zero_has_no_sign():
    """log10 of a p-value of 1 may be -1e-16."""
    assert metric_text("log10_forget_quality", -1e-16) == "0.00"
    assert metric_text("privleak", -0.01, 1) == "0.0"
    assert metric_text("log10_forget_quality", -0.02) == "-0.02"

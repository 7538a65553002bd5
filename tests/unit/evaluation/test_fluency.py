"""Fluency by hand."""

import math

import pytest
from unlearning.evaluation import fluency
from unlearning.evaluation.words import spaced_words


def test_distinct_counts_over_all_answers():
    texts = [spaced_words(text) for text in ("Ann wrote it", "ann wrote this book")]
    assert fluency.distinct(texts, 1) == pytest.approx(5 / 7)  # ann, wrote, it, this, book
    assert fluency.distinct(texts, 2) == pytest.approx(4 / 5)  # "ann wrote" twice
    assert fluency.distinct(texts, 3) == 1.0
    assert fluency.distinct([[], ["one"]], 2) == 0.0


def test_repetition_looks_at_one_answer():
    assert fluency.repetition(list("abcdef")) == 0.0
    assert fluency.repetition(["no"] * 10) == pytest.approx(1 - 1 / 7)  # seven equal 4-grams
    assert fluency.repetition(list("abcdabcd")) == pytest.approx(1 - 4 / 5)
    assert fluency.repetition(list("abc")) == 0.0


def test_perplexity_counts_every_answer_once_and_empty_ones_not_at_all():
    assert fluency.perplexity([math.log(2), None, math.log(8)]) == pytest.approx(4)
    assert fluency.perplexity([None]) is None
    assert math.isfinite(fluency.perplexity([1e4]))


def test_of_a_set():
    metrics = fluency.fluency_metrics("forget", {"generation": ["", " ", "no no no no no", "a b"]})
    assert metrics["forget_empty"] == 0.5
    assert metrics["forget_repetition"] == pytest.approx((1 / 2) / 4)
    assert "forget_perplexity" not in metrics  # not taken

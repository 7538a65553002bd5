"""Which forget rows are short, long, weakly and strongly memorised."""

from unlearning.benchmarks.tofu.strata import strata


def test_halves_by_hand():
    rows = strata({"answer_tokens": [9, 4, 20, 4, 4], "answer_loss": [0.5, 0.1, 0.2, 0.4, 0.3]})
    # ties go by row order, and the row in the middle of five is in neither half
    assert rows["short"].tolist() == [1, 3]
    assert rows["long"].tolist() == [0, 2]
    assert rows["memorised_weakly"].tolist() == [0, 3]
    assert rows["memorised_strongly"].tolist() == [1, 2]


def test_rows_that_are_alike_have_no_halves():
    rows = strata({"answer_tokens": [4, 4, 4, 4], "answer_loss": [0.1, 0.2, 0.3, 0.4]})
    assert list(rows) == ["memorised_weakly", "memorised_strongly"]

"""Memorisation by hand; each last flag is the end of sequence, which does not count."""

import pytest
from unlearning.evaluation.memorization import exact_memorization, extraction_strength

T, F = True, False


@pytest.mark.parametrize(
    ("match", "extraction", "exact"),
    [
        ([T, T, T, T, T], 1.0, 1.0),  # all four
        ([F, F, F, F, T], 1 / 4, 0.0),  # none: as if the last one matched
        ([F, F, F, T, F], 1 / 4, 1 / 4),
        ([F, F, T, T, F], 2 / 4, 2 / 4),  # the suffix only
        ([T, T, F, T, F], 1 / 4, 3 / 4),  # a prefix does not help
        ([F, T, T, T, F], 3 / 4, 3 / 4),
        ([T, T, T, F, T], 1 / 4, 3 / 4),  # no suffix at all
        ([T, F], 1.0, 1.0),  # a single token
        ([F, T], 1.0, 0.0),  # a single token is its own smallest suffix, matched or not
        ([T], 0.0, None),  # nothing but the end of sequence
        ([], 0.0, None),
    ],
)
def test_by_hand(match, extraction, exact):
    assert extraction_strength(match) == pytest.approx(extraction)
    assert exact_memorization(match) == (None if exact is None else pytest.approx(exact))

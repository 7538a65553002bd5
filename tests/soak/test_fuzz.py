"""No mutated input is accepted wrongly, ends in a traceback, or is refused without its cause."""

import pytest
from fuzz import COUNTS, OUTCOMES, search, table


def check(seed: int, counts: dict[str, int]) -> None:
    outcomes, wrong = search(seed, counts)
    print(table(outcomes))
    assert wrong == []
    for kind, count in counts.items():
        refused, right = (outcomes[kind][result] for result in OUTCOMES[:2])
        assert refused + right == count and refused > 0 and right > 0


@pytest.mark.short
def test_a_tenth_of_the_search():
    check(2, {kind: count // 10 for kind, count in COUNTS.items()})


def test_the_whole_search():
    check(1, COUNTS)

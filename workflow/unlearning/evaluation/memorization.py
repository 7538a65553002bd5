"""Memorisation of an answer, from which of its tokens the model would have chosen greedily.

Source: open-unlearning src/evals/metrics/memorization.py, which leaves out each sequence's last
label (end of sequence). match: one flag for each label, whether it is the model's argmax given
the true prefix.
"""


def extraction_strength(match: list[bool]) -> float:
    """1 - k/n with k < n the smallest index from which all of the n labels match.

    As in the source, no match at all gives 1/n like a match of the last label alone, so that a
    single label gives 1 whatever it is; no label gives 0. Carlini et al., arXiv 2012.07805.
    """
    kept = match[:-1]
    if not kept:
        return 0.0
    suffix = next((i for i, matches in enumerate(reversed(kept)) if not matches), len(kept))
    return max(1, suffix) / len(kept)


def exact_memorization(match: list[bool]) -> float | None:
    """Share of labels that match; None without labels. Tirumala et al., arXiv 2205.10770."""
    kept = match[:-1]
    return sum(kept) / len(kept) if kept else None

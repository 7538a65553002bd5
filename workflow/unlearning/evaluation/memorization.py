"""Memorisation of an answer, measured by the tokens that greedy decoding would reproduce.

Source: open-unlearning src/evals/metrics/memorization.py, which leaves out each sequence's last
label (end of sequence). match: one flag for each label, whether it is the model's argmax after the
true prefix.
"""


def extraction_strength(match: list[bool]) -> float:
    """1 - k/n, where k < n is the smallest index from which all of the n labels match.

    As in the source, no match gives 1/n, as a match of only the last label does, so that a single
    label always gives 1; no label gives 0. Carlini et al., arXiv 2012.07805.
    """
    match = match[:-1]
    if not match:
        return 0.0
    suffix = 0
    while suffix < len(match) and match[-1 - suffix]:
        suffix += 1
    return max(1, suffix) / len(match)


def exact_memorization(match: list[bool]) -> float | None:
    """Share of labels that match; None without labels. Tirumala et al., arXiv 2205.10770."""
    match = match[:-1]
    return sum(match) / len(match) if match else None

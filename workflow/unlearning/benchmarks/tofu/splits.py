"""Forget and retain splits: forgetK is the last K% of full, retain(100-K) the rest."""

import re

TOFU_ROWS_PER_AUTHOR = 20
# Percentages of the splits for which TOFU publishes perturbed rows. Larger splits are evaluated on
# forget10's rows, as in the NPO paper (§5.3).
TOFU_PERTURBED = (1, 5, 10)
RETAIN_SHARE = 10  # retain_perturbed covers the first tenth of full, as in TOFU


def percentage(split: str) -> int:
    """10 for "forget10"; ValueError if the name is not forgetNN with 1 <= NN <= 99."""
    match = re.fullmatch("forget([0-9][0-9])", split)
    if not match or not 1 <= int(match[1]) <= 99:
        raise ValueError(f"'{split}' is not a forget split: write forget01 to forget99")
    return int(match[1])


def retain_name(split: str) -> str:
    """The retain split that belongs to a forget split: forget05 -> retain95."""
    return f"retain{100 - percentage(split):02d}"


def evaluated_on(split: str) -> str:
    """The split whose perturbed rows measure `split` on TOFU: itself, but at most forget10."""
    return split if percentage(split) <= max(TOFU_PERTURBED) else f"forget{max(TOFU_PERTURBED)}"


def holdout_name(split: str) -> str:
    """The TOFU split of a forget split's non-members: forget05 -> holdout05."""
    return evaluated_on(split).replace("forget", "holdout")


def holdout_tables(split: str) -> tuple[str, str]:
    """Names of the tables that may hold a split's non-members: TOFU's, and the mini world's."""
    return f"{split}_holdout", "holdout_perturbed"


def forget_rows(split: str, rows: int, rows_per_author: int) -> int:
    """Number of forget rows among `rows` rows. Raises ValueError unless they make up whole authors
    and leave the rows of retain_perturbed."""
    share = percentage(split)
    authors = rows // rows_per_author
    most = 100 - RETAIN_SHARE
    if share > most:
        raise ValueError(
            f"'{split}' would forget rows of retain_perturbed, the first {RETAIN_SHARE}% of full, "
            f"which measure what is retained; write forget{most} at most"
        )
    if authors * share % 100:
        allowed = [f"forget{p:02d}" for p in range(1, most + 1) if authors * p % 100 == 0]
        examples = ", ".join(allowed[:8]) + (", …" if len(allowed) > 8 else "")
        raise ValueError(
            f"'{split}' is {authors * share / 100:g} of {authors} authors; "
            f"whole authors only: {examples}"
        )
    return authors * share // 100 * rows_per_author

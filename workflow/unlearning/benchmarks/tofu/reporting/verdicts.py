"""Verdicts on the claims about TOFU: once for each forget split."""

from unlearning.benchmarks.tofu.reporting.results import Results
from unlearning.benchmarks.tofu.reporting.selection import series
from unlearning.reporting.claims import Verdict, judge_place, not_run
from unlearning.reporting.claims_file import Claim


def judge(claims: list[Claim], results: Results) -> list[Verdict]:
    """All verdicts, in the order of claims, splits and variants."""
    return [verdict for claim in claims for verdict in judge_claim(claim, results)]


def judge_claim(claim: Claim, results: Results) -> list[Verdict]:
    """One verdict for each split, variant and attack; `not run` for a split without any, and once
    for a claim about splits that are not here."""
    judged = [split for split in results.splits if split.split in claim.splits or not claim.splits]
    found = [
        verdict
        for split in judged
        for verdict in judge_place(
            claim,
            split.split,
            lambda *named, split=split: series(*named, results, split),
        )
    ]
    return found or [not_run(claim, ", ".join(claim.splits))]

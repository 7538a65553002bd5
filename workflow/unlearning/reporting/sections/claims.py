"""The papers' claims: one verdict each, with its parts inside."""

from unlearning.reporting.claims.file import Claim
from unlearning.reporting.claims.judge import EXPLANATION, NOT_RUN
from unlearning.reporting.claims.view import counts, lines, predicate
from unlearning.reporting.section import Content

TITLE = "Claims"


def _picked(claim: Claim, report) -> str:
    """The section that corrects what a claim picks by its own metric, if the page has it."""
    sides = [side for side in (claim.of, claim.than) if side is not None]
    picks = {"peaks": any(s.at == "peak" for s in sides), "grids": any(s.pick for s in sides)}
    sections = report.experiment.benchmark.sections
    return next((name for name, is_pick in picks.items() if is_pick and name in sections), "")


def content(report) -> Content:
    """Claims in the file's order; those that were not run at the end."""
    claims = [
        (one, predicate(one.claim), lines(one), _picked(one.claim, report)) for one in report.claims
    ]
    run = [claim for claim in claims if claim[0].verdict != NOT_RUN]
    rest = [claim for claim in claims if claim[0].verdict == NOT_RUN]
    changed = sum(one.corrected != one.verdict for one in report.claims)
    words = {"run": run, "rest": rest, "counts": counts(report.claims), "changed": changed}
    words |= {"explanation": EXPLANATION, "draws": report.frame["draw"].nunique()}
    return Content(words=words, empty=not claims)

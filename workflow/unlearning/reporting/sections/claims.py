"""The papers' claims: one verdict each, with its parts inside."""

from unlearning.reporting.claims.judge import EXPLANATION, NOT_RUN, Judged
from unlearning.reporting.claims.view import counts, lines, predicate
from unlearning.reporting.frame import finals
from unlearning.reporting.grids import grids
from unlearning.reporting.section import Content

TITLE = "Claims"


def _picked(judged: Judged, report) -> str:
    """The section that corrects what a claim picks by its own metric, if the page has it."""
    claim, results = judged.claim, report.results
    sides = [side for side in (claim.of, claim.than) if side is not None]
    if judged.verdict == NOT_RUN:
        return ""
    if any(side.at == "peak" for side in sides):
        return "peaks"
    if not any(side.pick for side in sides):
        return ""
    # without a grid on any split, the page has no such section to point to
    for split, models in finals(report.frame).groupby("split", sort=False):
        if grids(results, split, models):
            return "grids"
    return ""


def content(report) -> Content:
    """Claims in the file's order; those that were not run at the end."""
    claims = []
    for item in report.claims:
        claims.append((item, predicate(item.claim), lines(item), _picked(item, report)))
    run = [claim for claim in claims if claim[0].verdict != NOT_RUN]
    rest = [claim for claim in claims if claim[0].verdict == NOT_RUN]
    changed = sum(item.corrected != item.verdict for item in report.claims)
    words = {"run": run, "rest": rest, "counts": counts(report.claims), "changed": changed}
    words |= {"explanation": EXPLANATION, "draws": report.frame["draw"].nunique()}
    return Content(words=words, empty=not claims)

"""States at epochs that every seed of a variant reached, and the epoch of a variant's peak."""

from report_world import run_rows
from unlearning.reporting.frame import COURSE, tidy
from unlearning.reporting.peaks import at_peak, peaks, states

QUALITY = "log10_forget_quality"


def course(
    seed: int, logs: dict[float, float], method: str = "GA", collapses: bool = False
) -> list[tuple]:
    """Epoch -> log10 FQ of a run on its way. collapses: at the last one."""
    rows = []
    for epoch, log in logs.items():
        collapsed = collapses and epoch == max(logs)
        moment = {"phase": COURSE, "epoch": epoch, "collapsed": collapsed}
        rows += run_rows(method, seed, **moment, **{QUALITY: log})
    return rows


def means(rows: list[tuple]) -> dict[float, float]:
    """Epoch -> mean over seeds."""
    found = states(tidy(rows)).groupby("epoch")["value"].mean()
    return found.to_dict()


def test_a_collapsed_run_keeps_its_last_state_in_the_mean():
    whole = course(1, {0: -1.0, 5: -1.0, 10: -1.0})
    collapsed = course(2, {0: -1.0, 5: -1.0, 8: -9.0}, collapses=True)
    # no mean stands at epoch 8, where only the collapsed run is
    assert means(whole + collapsed) == {0: -1.0, 5: -1.0, 10: -5.0}


def test_a_run_that_collapsed_early_counts_at_every_later_epoch():
    whole = course(1, {0: -1.0, 2: -1.0, 5: -1.0, 10: -1.0})
    collapsed = course(2, {0: -1.0, 1: -5.0}, collapses=True)
    assert means(whole + collapsed) == {0: -1.0, 2: -3.0, 5: -3.0, 10: -3.0}


def test_a_run_whose_last_evaluation_is_missing_has_no_state_there():
    whole = course(1, {0: -1.0, 5: -1.0, 10: -1.0})
    assert means(whole + course(2, {0: -1.0, 5: -3.0})) == {0: -1.0, 5: -2.0, 10: -1.0}


def test_a_variant_whose_seeds_all_end_early_ends_there():
    assert means(course(1, {0: -1.0, 3: -2.0}) + course(2, {0: -1.0, 3: -4.0})) == {0: -1, 3: -3}


def test_the_peak_is_one_epoch_of_the_variant_and_the_earliest_of_equals():
    rows = course(1, {0: -0.1, 1: -1.0, 2: -2.0, 3: -9.0})
    rows += course(2, {0: -0.1, 1: -7.0, 2: -2.0, 3: -9.0})
    rows += course(1, {0: -9.0, 1: -3.0, 2: -3.0}, "NPO")
    found = peaks(tidy(rows))
    assert found[["label", "epoch", "last"]].to_numpy().tolist() == [["GA", 2, 3], ["NPO", 1, 2]]
    assert at_peak(tidy(rows)).groupby("label")["value"].mean().to_dict() == {"GA": -2, "NPO": -3}
    last = at_peak(tidy(rows), "last").groupby("label")["value"].mean().to_dict()
    assert last == {"GA": -9, "NPO": -3}


def test_the_target_is_no_peak_and_without_evaluations_on_the_way_there_is_none():
    rows = course(1, {0: -0.1, 10: -3.0})
    assert peaks(tidy(rows)).empty and at_peak(tidy(rows)).empty

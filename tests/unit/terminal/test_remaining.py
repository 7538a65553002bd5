"""How much time is left, beside hand-computed answers and pretended runs."""

import heapq
from collections import Counter

import pytest
from snakemake_logger_plugin_unlearning.remaining import Pace, duration


def test_one_job_after_the_other():
    run = Pace(100, Counter({"unlearn": 4}))
    assert run.estimate(100) is None
    run.finish("unlearn", 10, 110)
    run.finish("unlearn", 20, 130)
    # two jobs of 15 s on average took 30 s, so two more take as long
    assert run.estimate(130).seconds == pytest.approx(30)


def test_two_jobs_at_once():
    run = Pace(0, Counter({"evaluate": 6}))
    run.finish("evaluate", 10, 10.0)
    run.finish("evaluate", 10, 10.01)
    # 20 s of work were done in 10 s, and 40 s of work are left
    assert run.estimate(10.01).seconds == pytest.approx(20, rel=0.01)


def test_rules_that_have_not_been_timed_make_it_a_lower_bound():
    run = Pace(0, Counter({"pretrain": 1, "unlearn": 19, "report": 1}))
    run.finish("pretrain", 60, 60)
    assert run.estimate(60) is None
    run.finish("unlearn", 2, 62)
    assert run.estimate(62).complete  # all but one of 19
    for _ in range(10):
        run.finish("unlearn", 2, 62)
    assert not run.estimate(62).complete  # the report is one of nine


def scheduled(jobs: list[tuple[str, float]], workers: int) -> list[tuple[str, float, float]]:
    """(rule, duration, end) in order of ends: each job starts when a worker is free."""
    free = [0.0] * workers
    done = []
    for rule, seconds in jobs:
        end = heapq.heappop(free) + seconds
        heapq.heappush(free, end)
        done.append((rule, seconds, end))
    return sorted(done, key=lambda job: job[2])


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("waits", [False, True])
def test_estimates_of_a_whole_run(workers, waits):
    """Between a fifth and four fifths of a run, an estimate is within a third of what it takes; on
    a cluster the measured durations hold the time in the queue."""
    cells = [("unlearn", 6.0), ("evaluate", 2.0), ("relearn", 1.0)] * 40
    ends = scheduled(cells, workers)
    run = Pace(0, Counter(rule for rule, _ in cells))
    whole = ends[-1][2]
    for rule, seconds, end in ends:
        run.finish(rule, end if waits else seconds, end)
        if 0.2 < end / whole < 0.8:
            assert run.estimate(end).seconds == pytest.approx(whole - end, rel=1 / 3)


def test_a_long_start_of_one_job_alone_is_forgotten():
    run = Pace(0, Counter({"pretrain": 1, "unlearn": 60}))
    run.finish("pretrain", 60, 60)
    for number in range(1, 31):
        run.finish("unlearn", 4, 60 + 2 * number)  # two at once
    # 30 jobs of 4 s, two at once
    assert run.estimate(120).seconds == pytest.approx(60, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (44, "44 s"), (125, "2 min"), (3900, "65 min"), (7500, "2 h 5 min")]
    + [(108000, "30 h")],
)
def test_duration(seconds, words):
    assert duration(seconds) == words

"""How long the jobs of a run that are left will take, from those of it that have finished."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import fmean


@dataclass(frozen=True)
class Estimate:
    """seconds: until the last job ends. complete: jobs of nearly all rules that are left have been
    timed; otherwise it takes longer than that."""

    seconds: float
    complete: bool


@dataclass(frozen=True)
class Finished:
    """A job that has finished at time `end`, `seconds` after it was started or submitted."""

    rule: str
    seconds: float
    end: float


@dataclass
class Pace:
    """Jobs that have finished. started: time at which the run began, in seconds of any clock.
    left: rule -> number of jobs that have not finished."""

    started: float
    left: Counter[str]
    finished: list[Finished] = field(default_factory=list)

    NEARLY_ALL = 0.9  # of the jobs that are left

    def finish(self, rule: str, seconds: float, now: float) -> None:
        """A job of `rule` that took `seconds` has finished."""
        self.left[rule] -= 1
        self.finished.append(Finished(rule, seconds, now))

    def estimate(self, now: float) -> Estimate | None:
        """None while no job of a rule that is left has been timed.

        A job's work is the mean duration of its rule. How much work gets done in a second is seen
        from the jobs that have finished. So it covers jobs that run beside each other, and jobs
        that wait in the queue of a cluster, without knowing how many can run at once.
        """
        durations = defaultdict(list)
        for job in self.finished:
            durations[job.rule].append(job.seconds)
        work = {rule: fmean(seconds) for rule, seconds in durations.items()}
        # of other rules nobody knows how long they take, so the estimate is a lower bound
        timed = {rule: count for rule, count in self.left.items() if rule in work and count > 0}
        if not timed:
            return None
        # work done in a second: 2 where two jobs run at once all the time
        done = sum(work[job.rule] for job in self.finished)
        rate = done / max(now - self.started, 1e-9)
        # The latest half says more of what comes than the start, where one job runs alone, once it
        # is so long that jobs which began before it do not count for much.
        middle = len(self.finished) // 2
        latest, since = self.finished[middle:], self.finished[middle - 1].end
        if middle and now - since > max(job.seconds for job in latest):
            rate = sum(work[job.rule] for job in latest) / (now - since)
        seconds = sum(work[rule] * count for rule, count in timed.items()) / max(rate, 1e-9)
        share = sum(timed.values()) / sum(count for count in self.left.values() if count > 0)
        return Estimate(seconds, share >= self.NEARLY_ALL)


def duration(seconds: float) -> str:
    """A duration in one or two units: "3 s", "44 s", "2 min", "1 h 5 min", "30 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 10 else f"{hours} h"

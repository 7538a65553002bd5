"""The state of a run: jobs that run, have finished or failed, and the time that is left."""

from dataclasses import dataclass, field

from snakemake_logger_plugin_unlearning.jobs import Job
from snakemake_logger_plugin_unlearning.remaining import Pace, duration


@dataclass
class Progress:
    """totals: rule -> number of its jobs. running: job id -> job."""

    totals: dict[str, int]
    pace: Pace
    running: dict[int, Job] = field(default_factory=dict)
    failed: dict[int, Job] = field(default_factory=dict)
    done: int = 0

    @property
    def total(self) -> int:
        """Number of jobs."""
        return sum(self.totals.values())

    def finish(self, number: int, now: float) -> Job:
        """A running job has finished; returns it."""
        job = self.running.pop(number)
        self.failed.pop(number, None)  # an attempt of before
        self.pace.finish(job.rule, now - job.started, now)
        self.done += 1
        return job

    def fail(self, number: int) -> Job:
        """A running job has failed; returns it."""
        self.failed[number] = self.running.pop(number)
        return self.failed[number]

    def count(self) -> str:
        """Finished and all jobs, as "[12/91]"."""
        return f"[{self.done}/{self.total}]"

    def left(self, now: float) -> str:
        """ ", about 2 min left", or nothing where it cannot be said."""
        estimate = self.pace.estimate(now)
        if estimate is None or estimate.seconds < 1:
            return ""
        return f", {'about' if estimate.complete else 'over'} {duration(estimate.seconds)} left"

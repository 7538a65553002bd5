"""Jobs of a SLURM cluster that someone has cancelled stay cancelled."""

from functools import wraps
from typing import Any

# the executor's words for the state that scancel leaves; an administrator's scancel leaves it, too
CANCELLED = "SLURM status is: 'CANCELLED'"


def without_retries_of_cancelled_jobs(executor: Any) -> None:
    """Let the SLURM executor's class report a cancelled job as one that has no attempts left.

    Snakemake submits a failed job again, with more memory and time, as often as `retries` says,
    and knows no reason for which it would not: neither a setting nor a rule can give it one.
    """
    report = executor.report_job_error

    @wraps(report)
    def report_job_error(self, job_info, msg=None, **details):
        job = job_info.job
        if msg and CANCELLED in msg:
            # the scheduler submits again while the attempts are no more than the restarts
            job.attempt = max(job.attempt, job.restart_times + 1)
        report(self, job_info, msg, **details)

    executor.report_job_error = report_job_error

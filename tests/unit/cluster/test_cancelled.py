"""Which failed jobs Snakemake's scheduler would submit again."""

from types import SimpleNamespace

import pytest
from unlearning.cluster.cancelled import without_retries_of_cancelled_jobs


class Executor:
    """Keeps what it is told."""

    def __init__(self):
        self.reports = []

    def report_job_error(self, job_info, msg=None, **details):
        self.reports.append((job_info.job.attempt, msg, details))


@pytest.mark.parametrize(
    ("message", "attempt", "again"),
    [
        ("SLURM-job '17' failed, SLURM status is: 'CANCELLED'. Detailed …", 1, False),
        ("SLURM-job '17' failed, SLURM status is: 'TIMEOUT'. Detailed …", 1, True),
        ("SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'.", 2, True),
        (None, 1, True),
    ],
)
def test_only_cancelled_jobs_have_no_attempt_left(message, attempt, again):
    class Watched(Executor):
        pass

    without_retries_of_cancelled_jobs(Watched)
    job = SimpleNamespace(attempt=attempt, restart_times=2)
    executor = Watched()
    executor.report_job_error(SimpleNamespace(job=job), msg=message, aux_logs=["17.log"])
    # JobScheduler._handle_error of Snakemake 9.27
    assert (job.restart_times > job.attempt - 1) == again
    ((_, reported, details),) = executor.reports
    assert reported == message and details == {"aux_logs": ["17.log"]}

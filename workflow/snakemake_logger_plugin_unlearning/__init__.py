"""What Snakemake prints of a run: a line for each job, and in a terminal a bar for each stage.

Snakemake finds this package by the beginning of its name; the profiles name it (`logger:`).
`--verbose`, `--printshellcmds` and `--debug-dag` bring back Snakemake's own messages, which are
always in .snakemake/log.
"""

import os
import re
import sys
import threading
from collections import Counter
from logging import LogRecord
from typing import TextIO

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_unlearning.command_line import check_command_lines
from snakemake_logger_plugin_unlearning.jobs import Job, job_name
from snakemake_logger_plugin_unlearning.progress import Progress
from snakemake_logger_plugin_unlearning.remaining import Pace, duration
from snakemake_logger_plugin_unlearning.screens import screen

END = 20  # lines of a failed job's log
LONGEST = 400  # characters of such a line
REASON = 100  # characters of why a job would run
# What Snakemake says of itself or again, and the lines about jobs say shorter.
CHATTER = (
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Cleaning up SLURM log files",
    "Conda environments: ignored",
    "Elapsed time:",
    "Exiting because a job execution failed",
    "Group jobs: inactive",
    "Job rate limit reached",
    "No SLURM account given",
    "No account was given",
    "Removing output files of failed job",
    "Removing temporary output",
    "SLURM run ID:",
    "Select jobs to execute",
    "Singularity containers: ignored",
    "Some jobs were triggered by provenance",
    "Unable to guess SLURM account",
    "Using shell:",
    "Would remove temporary output",
    "WorkflowError:\nAt least one job did not complete successfully",
)
COMPLETE_LOG = "Complete log(s): "
NOTHING = "Nothing to be done"
SUBMITTED = re.compile(r"Job \S+ has been submitted")
RESTART = re.compile(r"Trying to restart job (\d+)")
STATUS = re.compile(r"returned non-zero exit status \d+|died with <Signals\.\w+")
STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
UNCOUNTED = ("all", "total")  # the rule that asks for everything, and the sum in Snakemake's table

check_command_lines()


class LogHandler(LogHandlerBase):
    """Snakemake's records as lines about jobs."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # a record that is not printed counts too
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        quiet = set(settings.quiet or ())
        self.is_silent = Quietness.ALL in quiet and not settings.dryrun
        self.prints_jobs = not quiet & {Quietness.RULES, Quietness.PROGRESS}
        self.original = None
        if settings.verbose or settings.printshellcmds or settings.debug_dag:
            self.original = snakemakes_own(settings, stream, quiet)
        self.screen = screen(stream, settings.nocolor)
        self.progress: Progress | None = None
        self.statistics = ""  # table of a dry run
        self.errors: list[str] = []  # of shell commands
        self.ends: set[tuple[int, str]] = set()  # job id and end of its log, as printed
        self.page = ""  # of the report
        self.snakemake_log = ""
        self.has_nothing_to_do = False
        self.over = threading.Event()
        self.events = {
            LogEvent.RUN_INFO: self._run_info,
            LogEvent.JOB_INFO: self._job_info,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_error,
            LogEvent.GROUP_ERROR: self._group_error,
            LogEvent.ERROR: self._error,
            None: self._message,
        }

    def emit(self, record: LogRecord) -> None:
        """Print what a record says, if it says something to a reader."""
        try:
            if self.original is not None:
                self.original.handle(record)
            handle = self.events.get(getattr(record, "event", None))
            if handle is not None:
                handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Print how the run ended; Snakemake calls this more than once."""
        with self.lock:
            if not self.over.is_set():
                self.over.set()
                self.screen.close()
                self._end()
        super().close()

    def _line(self, text: str, style: str = "") -> None:
        if self.original is None and not self.is_silent:
            self.screen.line(text, style)

    def _run_info(self, record: LogRecord) -> None:
        if self.common_settings.dryrun:
            self.statistics = record.getMessage()
            return
        jobs = {rule: count for rule, count in record.stats.items() if rule not in UNCOUNTED}
        self.progress = Progress(jobs, Pace(record.created, Counter(jobs)))
        if self.prints_jobs and self.original is None and not self.is_silent:
            counts = ", ".join(f"{count} {rule}" for rule, count in jobs.items())
            self._line(f"{self.progress.total} jobs: {counts}")
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Show every second what runs."""
        while not self.over.wait(1):
            with self.lock:
                if not self.over.is_set():
                    self.screen.tick(self.progress)

    def _job_info(self, record: LogRecord) -> None:
        rule, name = record.rule_name, job_name(record.rule_name, record.wildcards)
        if rule in UNCOUNTED:
            return
        # no jobs are counted in a dry run: what would run is printed at once
        if self.progress is None:
            if self.prints_jobs:
                self._line(f"{name}: {clipped(record.reason, REASON)}")
            return
        job = Job(rule, name, list(record.output), list(record.log), record.created)
        self.progress.running[record.jobid] = job

    def _job_finished(self, record: LogRecord) -> None:
        if self.progress is None or record.job_id not in self.progress.running:
            return
        job = self.progress.finish(record.job_id, record.created)
        if self.prints_jobs:
            seconds = record.created - job.started
            took = duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"
            left = self.progress.left(record.created)
            self._line(f"{self.progress.count()} {job.name} ({took}){left}", "green")

    def _job_error(self, record: LogRecord) -> None:
        if self.progress is None or record.jobid not in self.progress.running:
            return
        job = self.progress.fail(record.jobid)
        # of a cluster's job Snakemake names the scheduler's log behind the rule's
        job.logs = list(record.log)
        path, lines = job.log_lines()
        # Snakemake calls all jobs of a group failed
        if record.indent and (job.is_complete() or not lines):
            del self.progress.failed[record.jobid]
            return
        took = duration(record.created - job.started)
        text = f"{self.progress.count()} {job.name} failed after {took}{self._why(record)}"
        self._line(text, "red")
        end = "\n".join(f"    {clipped(line, LONGEST)}" for line in lines[-END:])
        if not lines:
            self._line(f"  without output: {path}")
        # a job that is tried again mostly fails alike, and nobody reads the same 20 lines twice
        elif (record.jobid, end) in self.ends:
            self._line(f"  with the same end of {path} as before")
        else:
            self._line(f"  end of {path}:\n{end}")
        self.ends.add((record.jobid, end))

    def _why(self, record: LogRecord) -> str:
        """The exit status of a job's command, or what the scheduler says of the job."""
        if record.rule_msg:
            text = record.rule_msg.partition("For further error details")[0]
            return f": {text.partition('Detailed failure reason')[0].strip()}"
        # the exit status comes in an earlier record, which has no job id but the command: the path
        # of the log in it says whose it is
        for error in self.errors:
            status = STATUS.search(error)
            if status and record.log and record.log[0] in error:
                self.errors.remove(error)
                return f": its command {status[0]}"
        return ""

    def _group_error(self, record: LogRecord) -> None:
        logs = ", ".join(record.aux_logs)
        self._line(f"a group of {len(record.job_error_info)} jobs failed: {logs}", "red")

    def _error(self, record: LogRecord) -> None:
        if "CalledProcessError in file" in record.getMessage():
            self.errors.append(record.getMessage())
        else:
            self._message(record)

    def _message(self, record: LogRecord) -> None:
        text = record.getMessage().strip()
        # rules/common.smk logs an empty message that carries the path of the page
        self.page = getattr(record, "report", self.page)
        self.has_nothing_to_do = self.has_nothing_to_do or text.startswith(NOTHING)
        if text.startswith(COMPLETE_LOG):
            self.snakemake_log = os.path.relpath(text.removeprefix(COMPLETE_LOG))
        elif restart := RESTART.match(text):
            # of a group that failed, jobs that were not to blame are not listed
            if job := self.progress and self.progress.failed.get(int(restart[1])):
                self._line(f"{job.name} is started again")
        elif text and text != "None" and not text.startswith(CHATTER) and not SUBMITTED.match(text):
            self._line(text, STYLES.get(record.levelname, ""))

    def _end(self) -> None:
        if self.statistics:
            self._line(self.statistics)
        run = self.progress
        if run is not None:
            state = f"{run.done} of {run.total} jobs are done"
            if run.failed:
                state += f", {len(run.failed)} failed"
            if run.done < run.total:
                state += "; the same command goes on from here"
            self._line(f"{state}. Snakemake's own messages: {self.snakemake_log}")
            for job in run.failed.values():
                self._line(f"failed: {job.name}: {job.logs[0] if job.logs else 'no log'}", "red")
        has_all = self.has_nothing_to_do or (run is not None and run.done == run.total)
        if has_all and not self.is_silent and os.path.exists(self.page):
            self.screen.line(f"Report: {self.page}")


def snakemakes_own(settings, stream: TextIO, quiet: set) -> ColorizingTextHandler:
    """The handler that Snakemake would use itself."""
    handler = ColorizingTextHandler(settings.nocolor, stream)
    handler.setFormatter(DefaultFormatter(quiet, settings.show_failed_logs))
    flags = (settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds)
    handler.addFilter(DefaultFilter(quiet, *flags))
    return handler


def clipped(text: str, length: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split("\n"))
    return line if len(line) <= length else f"{line[: length - 1]}…"

"""Where a run is shown: a file or pipe gets lines, a terminal has bars below them."""

import os
import time
from typing import TextIO

from snakemake_logger_plugin_unlearning.jobs import Job
from snakemake_logger_plugin_unlearning.progress import Progress
from snakemake_logger_plugin_unlearning.remaining import duration

WIDTH = 200  # characters of a line about jobs that run


class Lines:
    """Plain lines. After a minute without one, a line says what runs; then after two, four, …"""

    PATIENCE = 60  # seconds
    MOST = 3600

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.silence, self.latest = self.PATIENCE, time.time()

    def line(self, text: str, style: str = "") -> None:
        """Print a line. style: for terminals alone."""
        print(text, file=self.stream, flush=True)
        self.silence, self.latest = self.PATIENCE, time.time()

    def tick(self, progress: Progress) -> None:
        """Called every second."""
        now = time.time()
        if progress.running and now - self.latest >= self.silence:
            # line() sets the patience back to a minute, so the longer one is set after it
            silence = min(2 * self.silence, self.MOST)
            self.line(running_line(progress, now))
            self.silence = silence

    def close(self) -> None:
        """Nothing more will be printed."""


class Terminal:
    """Lines with a bar for each stage that runs below them, the time that is left, and what the
    logs of running jobs say."""

    SHOWN = 4  # running jobs

    def __init__(self, stream: TextIO, nocolor: bool):
        # here, not above: a job of a cluster, and every dry run, loads this module too
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=stream, no_color=nocolor, highlight=False, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def line(self, text: str, style: str = "") -> None:
        """Print a line above the bars."""
        from rich.text import Text

        self.console.print(Text(text, style=style))

    def tick(self, progress: Progress) -> None:
        """Draw the bars anew; called every second."""
        self.live.start()
        self.live.update(self._bars(progress), refresh=True)

    def _bars(self, progress: Progress):
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now, active = time.time(), {job.rule for job in progress.running.values()}
        table = Table.grid(padding=(0, 2))
        for rule, total in progress.totals.items():
            finished = total - progress.pace.left[rule]
            if rule in active:  # others have ended or wait, which their sum below says
                bar = ProgressBar(total=total, completed=finished, width=30)
                table.add_row(rule, bar, f"{finished}/{total}")
        whole = ProgressBar(total=progress.total, completed=progress.done, width=30)
        table.add_row("all", whole, f"{progress.done}/{progress.total}{progress.left(now)}")
        lines = []
        for job in list(progress.running.values())[: self.SHOWN]:
            text = f"{job.name} ({duration(now - job.started)})"
            text = f"{text} {last_line(job)}"
            lines.append(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(table, *lines)

    def close(self) -> None:
        """Take the bars away."""
        self.live.stop()


def screen(stream: TextIO, nocolor: bool) -> Lines | Terminal:
    """Bars where the stream is a terminal that can move its cursor."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Terminal(stream, nocolor)
    return Lines(stream)


def running_line(progress: Progress, now: float) -> str:
    """What runs: the job that has run for the longest time, with the end of its log."""
    job, *beside = sorted(progress.running.values(), key=lambda job: job.started)
    more = f" and {len(beside)} more" if beside else ""
    path, _ = job.log_lines()
    since = duration(now - job.started)
    text = f"{progress.count()} {job.name}{more}: since {since} {last_line(job)}"
    return f"{text[:WIDTH]} ({path})"


def last_line(job: Job) -> str:
    """The last line of a job's log."""
    _, lines = job.log_lines()
    return lines[-1] if lines else "no output yet"

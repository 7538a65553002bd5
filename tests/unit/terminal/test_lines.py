"""What is printed of Snakemake's records where the output is no terminal."""

import io
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_unlearning import LogHandler
from snakemake_logger_plugin_unlearning.jobs import job_name
from snakemake_logger_plugin_unlearning.screens import Lines

STARTED = 1_000_000.0
CLOCK = "snakemake_logger_plugin_unlearning.screens.time"
CELL = {"split": "forget10", "method": "NPO+RT", "variant": "beta=0.1", "seed": "1"}


class Pretended:
    """A handler, and the records of a pretended Snakemake at times since its start."""

    def __init__(self, **settings):
        self.handler = LogHandler(OutputSettings(**settings), None)

    def record(self, seconds: float, event: LogEvent | None, msg: str = "", **fields) -> None:
        level = logging.ERROR if event in (LogEvent.JOB_ERROR, LogEvent.ERROR) else logging.INFO
        fields |= {"created": STARTED + seconds, "levelno": level, "msg": msg, "event": event}
        self.handler.handle(logging.makeLogRecord(fields))

    def begin(self, **jobs: int) -> None:
        stats = {**jobs, "all": 1, "total": sum(jobs.values()) + 1}
        self.record(0, LogEvent.RUN_INFO, "Job stats: …", stats=stats)

    def start(self, seconds: float, number: int, rule: str = "unlearn", log: str = "x.log", **more):
        fields = {"jobid": number, "rule_name": rule, "wildcards": CELL, "reason": "new"}
        fields |= {"output": [f"{log}.out"], "log": [log]} | more
        self.record(seconds, LogEvent.JOB_INFO, **fields)

    def finish(self, seconds: float, number: int) -> None:
        self.record(seconds, LogEvent.JOB_FINISHED, job_id=number)

    def fail(self, seconds: float, number: int, *logs: str, says: str | None = None, indent=False):
        fields = {"jobid": number, "log": list(logs), "rule_msg": says, "indent": indent}
        self.record(seconds, LogEvent.JOB_ERROR, **fields)


@pytest.fixture
def pretend() -> Iterator[Callable[..., Pretended]]:
    """pretend(dryrun=True): a run with these settings, which prints nothing after the test."""
    runs = []

    def begin(**settings) -> Pretended:
        runs.append(Pretended(**settings))
        return runs[-1]

    yield begin
    for run in runs:
        run.handler.over.set()


def test_a_line_for_each_job_and_the_report_last(capsys, tmp_path, monkeypatch, pretend):
    monkeypatch.chdir(tmp_path)
    Path("index.html").touch()
    run = pretend()
    run.record(0, None, report="index.html")
    run.record(0, None, "Building DAG of jobs...")
    run.begin(unlearn=3, report=1)
    run.start(0, 1)
    run.start(0, 2)
    run.finish(4, 1)
    run.finish(4.2, 2)
    run.start(5, 3)
    run.record(5, None, "Removing temporary output x/model.")
    run.record(5, None, "Job 7fab05a3-4873 has been submitted with SLURM jobid 17 (log: 17.log).")
    run.finish(9, 3)
    run.start(9, 4, "report", wildcards={})
    run.finish(10, 4)
    run.record(10, LogEvent.PROGRESS, "None", done=4, total=5)
    run.record(10, None, f"Complete log(s): {tmp_path}/.snakemake/log/1.log")
    run.handler.close()
    run.handler.close()  # as Snakemake does
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "4 jobs: 3 unlearn, 1 report",
        "[1/4] unlearn forget10 NPO+RT beta=0.1 seed=1 (4.0 s), over 8 s left",
        "[2/4] unlearn forget10 NPO+RT beta=0.1 seed=1 (4.2 s), over 2 s left",
        "[3/4] unlearn forget10 NPO+RT beta=0.1 seed=1 (4.0 s)",
        "[4/4] report (1.0 s)",
        "4 of 4 jobs are done. Snakemake's own messages: .snakemake/log/1.log",
        "Report: index.html",
    ]


def failing(pretend, tmp_path, **settings) -> Pretended:
    """A run of two jobs whose first has written 30 lines and failed."""
    log = tmp_path / "x.log"
    log.write_text("\n".join([*map("line {}".format, range(29)), "error: no memory"]))
    os.utime(log, (STARTED + 3, STARTED + 3))
    run = pretend(**settings)
    run.record(0, None, report=str(log))  # a page of an earlier run
    run.begin(unlearn=1, evaluate=1)
    run.start(0, 1, log=str(log))
    command = f"RuleException:\nCalledProcessError in file x:\nCommand 'a > {log} 2>&1' "
    run.record(3, LogEvent.ERROR, f"{command}returned non-zero exit status 137.")
    run.fail(3, 1, str(log))
    return run


def test_a_failed_job_shows_the_end_of_its_log_once(capsys, tmp_path, pretend):
    run = failing(pretend, tmp_path)
    log = tmp_path / "x.log"
    run.record(3, None, "Trying to restart job 1.")
    run.start(3, 1, log=str(log))
    run.fail(6, 1, str(log))
    run.record(6, LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    run.handler.close()
    output = capsys.readouterr().err
    assert "[0/2] unlearn forget10 NPO+RT beta=0.1 seed=1 failed after 3 s: " in output
    assert "returned non-zero exit status 137" in output and "CalledProcessError" not in output
    assert output.count("error: no memory") == 1
    assert "line 10\n" in output and "line 9\n" not in output  # the latest 20 lines
    assert "0 of 2 jobs are done, 1 failed" in output
    assert output.splitlines()[-1].endswith(f"seed=1: {log}")
    assert "Report" not in output


def test_what_the_scheduler_says_of_a_job(capsys, tmp_path, pretend):
    """Its log is that of an earlier attempt, so it is not shown; the scheduler's is."""
    old, slurm = tmp_path / "x.log", tmp_path / "17.log"
    old.write_text("loss 0.3")
    os.utime(old, (STARTED - 60, STARTED - 60))
    slurm.write_text("slurmstepd: error: oom_kill")
    run = pretend()
    run.begin(unlearn=1)
    run.start(0, 1, log=str(old))
    words = "SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'. Detailed failure reason …"
    run.fail(100, 1, str(old), str(slurm), says=f"{words}For further error details see …")
    output = capsys.readouterr().err
    assert (
        "failed after 2 min: SLURM-job '17' failed, SLURM status is: 'OUT_OF_MEMORY'.\n" in output
    )
    assert f"end of {slurm}:\n    slurmstepd: error: oom_kill\n" in output
    assert "loss 0.3" not in output


def test_jobs_of_a_failed_group_that_did_not_fail(capsys, tmp_path, pretend):
    """Snakemake calls all of a group failed: one has its outputs, one never began."""
    run = pretend()
    run.begin(evaluate=3)
    for number, name in enumerate(("done", "failed", "later")):
        log = tmp_path / f"{name}.log"
        run.start(0, number, "evaluate", log=str(log), wildcards={"run": name})
        if name != "later":
            log.write_text(f"end of {name}")
        if name == "done":
            Path(f"{log}.out").touch()
    jobs = [{"log": []}] * 3
    run.record(5, LogEvent.GROUP_ERROR, aux_logs=["slurm.log"], job_error_info=jobs)
    for number, name in enumerate(("done", "failed", "later")):
        run.fail(5, number, str(tmp_path / f"{name}.log"), indent=True)
    run.handler.close()
    output = capsys.readouterr().err
    assert "a group of 3 jobs failed: slurm.log" in output
    assert "evaluate failed failed after 5 s" in output and "1 failed" in output
    assert "evaluate done" not in output and "evaluate later" not in output


@pytest.mark.parametrize(
    ("quiet", "words"),
    [
        ({Quietness.RULES, Quietness.PROGRESS}, ["failed after", "error: no memory"]),
        ({Quietness.ALL}, []),
    ],
)
def test_quiet(capsys, tmp_path, quiet, words, pretend):
    run = failing(pretend, tmp_path, quiet=quiet)
    run.start(3, 2)
    run.finish(4, 2)
    run.handler.close()
    output = capsys.readouterr().err
    assert all(word in output for word in words) and "(1.0 s)" not in output
    assert bool(output) == bool(words)


def test_a_dry_run_lists_jobs_with_a_short_reason_and_ends_with_the_table(capsys, pretend):
    run = pretend(dryrun=True, stdout=True)
    run.record(0, LogEvent.RUN_INFO, "Job stats:\nunlearn 1", stats={})
    run.start(0, 1, reason="Params have changed since last execution: " + "x" * 6500)
    run.record(0, LogEvent.RUN_INFO, "Job stats:\nunlearn 1", stats={})
    run.handler.close()
    first, *table = capsys.readouterr().out.splitlines()
    assert first.startswith("unlearn forget10 NPO+RT beta=0.1 seed=1: Params have changed")
    assert len(first) < 160 and table == ["Job stats:", "unlearn 1"]


def test_silence_is_broken_less_and_less_often(capsys, tmp_path, monkeypatch, pretend):
    log = tmp_path / "x.log"
    log.write_text("training: 2/900, 0:10 gone")
    run = pretend()
    run.begin(unlearn=1)
    run.start(0, 1, log=str(log))
    clock = [STARTED]
    monkeypatch.setattr(CLOCK, SimpleNamespace(time=lambda: clock[0]))
    lines = Lines(run.handler.screen.stream)
    capsys.readouterr()
    with run.handler.lock:  # its thread looks every second
        for clock[0] in range(int(STARTED), int(STARTED) + 1000):
            lines.tick(run.handler.progress)
        output = capsys.readouterr().err.splitlines()
    assert [line.partition("since ")[2].split(" training")[0] for line in output] == [
        "60 s",
        "3 min",
        "7 min",
        "15 min",
    ]
    assert all(f"training: 2/900, 0:10 gone ({log})" in line for line in output)


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_for_each_stage_that_runs(pretend, tmp_path, monkeypatch):
    log = tmp_path / "x.log"
    log.write_text("training: 2/900, 0:10 gone")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Screen())
    monkeypatch.setattr(CLOCK, SimpleNamespace(time=lambda: STARTED + 9))
    run = pretend()
    stream = run.handler.screen.console.file
    run.begin(unlearn=3, evaluate=4)
    run.start(0, 1)
    run.finish(4, 1)
    run.start(4, 2, log=str(log))
    with run.handler.lock:  # its thread draws every second
        stream.truncate(0)
        run.handler.screen.tick(run.handler.progress)
        drawn = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", stream.getvalue())
    unlearn, whole, job = drawn.splitlines()
    assert re.search(r"unlearn +\S+ +1/3", unlearn) and "evaluate" not in unlearn
    # one job of 4 s in 9 s, so 2 more take 18 s, and what evaluations take is not known
    assert re.search(r"all +\S+ +1/7, over 18 s left", whole)
    assert "seed=1 (5 s) training: 2/900, 0:10 gone" in job
    run.handler.close()
    assert "1 of 7 jobs are done" in stream.getvalue().splitlines()[-1]


def test_job_name():
    wildcards = {**CELL, "attack": "random", "fraction": "0.25"}
    expected = "relearn forget10 NPO+RT beta=0.1 seed=1 random fraction=0.25"
    assert job_name("relearn", wildcards) == expected
    assert job_name("data", {"draw": ""}) == "data"
    assert job_name("data", {"draw": "draw=2/"}) == "data draw=2"
    assert job_name("unlearn", {"draw": "", **CELL}) == job_name("unlearn", CELL)
    in_draw = "unlearn draw=2 forget10 NPO+RT beta=0.1 seed=1"
    assert job_name("unlearn", {"draw": "/draw=2", **CELL}) == in_draw

"""An experiment from one process: the commands that Snakemake would run, without its jobs.

A dry run prints every rule's shell line; the stages that these call run here one after the other,
with torch loaded once. What Snakemake itself does, and the pictures of a report, are tested by runs
of the micro experiments.
"""

import re
import shlex
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from project import Project
from report_world import quick

COMMAND = re.compile(r"python -m unlearning (.+) > \S+ 2>&1$", re.MULTILINE)
ORDER = ("data", "answers", "pretrain", "finetune", "reference", "unlearn", "relearn", "evaluate")
ORDER += ("harness", "report")


def run_here(project: Project, config: dict, stage: Callable[..., int]) -> Path:
    """Run an experiment to its report, whose folder is returned. stage: the fixture."""
    planned = project.dry_run(config, "--printshellcmds")
    assert planned.returncode == 0, planned.stdout
    commands = [shlex.split(words) for words in COMMAND.findall(planned.stdout)]
    with chdir(project.root), quick():
        for words in sorted(commands, key=lambda words: ORDER.index(stage_of(words))):
            assert stage(*words) == 0, words
    return project.root / "results" / config["experiment"] / "report"


def stage_of(words: list[str]) -> str:
    """The stage among the words of a command."""
    return next(word for word in words if word in ORDER)

"""A benchmark is one folder and one line: a toy runs to its report in a copy of the project."""

import csv
import shutil

import pytest
from finished import MICRO
from project import Project, copied
from unlearning.files import read_json

LINE = '    "own": ("own",),\n'
CONFIG = MICRO / "capitals.yaml"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Project:
    """The project with tests/micro/capitals among its benchmarks, before its first run."""
    project = copied(tmp_path_factory.mktemp("extended") / "project")
    package = project.root / "workflow" / "unlearning"
    shutil.copytree(MICRO / "capitals", package / "benchmarks" / "capitals")
    source = (package / "benchmark.py").read_text(encoding="utf-8")
    assert source.count(LINE) == 1
    line = LINE + '    "capitals": ("capitals",),\n'
    (package / "benchmark.py").write_text(source.replace(LINE, line), encoding="utf-8")
    return project


def test_a_new_benchmark_runs_to_its_report(extended):
    done = extended.snakemake(CONFIG, "--show-failed-logs")
    assert done.returncode == 0, done.stdout
    world = extended.root / "results" / "micro-capitals"
    text = (world / "report" / "tables" / "main.csv").read_text(encoding="utf-8")
    target, unlearned = csv.DictReader(text.splitlines())
    assert (target["model"], unlearned["model"]) == ("Target", "NPO+RT")
    losses = read_json(world / "forget" / "base" / "evaluate" / "rows.json")["forget"][
        "answer_loss"
    ]
    assert len(losses) == 4
    assert float(target["forget_loss"]) == pytest.approx(sum(losses) / 4)
    assert float(unlearned["forget_loss"]) > float(target["forget_loss"])
    assert "Capitals of micro-capitals" in (world / "report" / "index.html").read_text()
    assert (world / "report" / "figures" / "bars.svg").is_file()
    assert extended.jobs(CONFIG) == {}


def test_it_is_planned_and_its_keys_are_checked(extended):
    plan = extended.call("python", "-m", "unlearning", "plan", "--configfile", CONFIG)
    assert plan.returncode == 0 and "micro-capitals" in plan.stdout, plan.stdout
    wrong = extended.write({"experiment": "x", "data": {"source": "capitals", "forgoten": 3}})
    refused = extended.dry_run(wrong)
    assert refused.returncode == 1
    assert "unknown key 'forgoten'; did you mean 'forgotten'?" in refused.stdout

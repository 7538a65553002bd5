"""What Snakemake plans for an experiment in several draws."""

from collections import Counter

import pytest
from broken_tables import write_good
from finished import micro_config
from project import copied, merged
from toy_gguf import changes, write_gguf

DRAWN = {"draws": 3}


@pytest.mark.parametrize("name", ["tofu", "muse", "wmdp"])
def test_every_draw_of_a_generated_world_has_all_jobs_but_the_report(fresh, name):
    once = fresh.jobs(micro_config(name))
    thrice = {rule: 3 * count for rule, count in once.items()} | {"report": 1}
    assert fresh.jobs(merged(micro_config(name), DRAWN)) == Counter(thrice)


def test_draws_share_tables_that_are_not_generated(fresh):
    """Yours here; their refusals too."""
    once = fresh.jobs(micro_config("own"))
    assert once["data"] == once["answers"] == once["report"] == 1
    thrice = {rule: 3 * count for rule, count in once.items()}
    shared = {"data": 1, "answers": 1, "report": 1}
    assert fresh.jobs(merged(micro_config("own"), DRAWN)) == Counter(thrice | shared)


def test_draws_share_tofus_tables_and_a_restored_base(tmp_path, micro_with):
    project = copied(tmp_path / "project")
    write_good(project.root / "own")
    write_gguf(project.root / "own" / "base.gguf")
    config = micro_with(
        data={"source": "tofu", "data_dir": "own"},
        methods={"IDK+RT": {}},
        **changes("own/base.gguf"),
    )
    once = project.jobs(config)
    assert once["restore"] == once["data"] == once["answers"] == 1
    thrice = {rule: 3 * count for rule, count in once.items()}
    shared = {"restore": 1, "data": 1, "answers": 1, "report": 1}
    assert project.jobs(merged(config, DRAWN)) == Counter(thrice | shared)


def test_a_draw_by_itself(fresh, micro_with):
    """Draw 2 has the jobs of draw 1, and does without it."""
    done = fresh.dry_run(micro_with(draws=[2]))
    assert done.returncode == 0, done.stdout
    assert fresh.job_stats(done.stdout) == fresh.jobs(micro_with())
    made = [line for line in done.stdout.splitlines() if line.strip().startswith("output:")]
    elsewhere = [line for line in made if "draw=2" not in line and "/report/" not in line]
    assert made and not elsewhere


def test_a_rehearsal_in_draws(fresh, micro_with):
    once = fresh.jobs(micro_with(rehearsal=True))
    twice = {rule: 2 * count for rule, count in once.items()} | {"report": 1}
    assert fresh.jobs(micro_with(rehearsal=True, **DRAWN)) == Counter(twice)

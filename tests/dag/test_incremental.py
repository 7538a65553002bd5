"""What a changed setting costs: the jobs that it calls for run again, and no others. For edits of
code and files see test_edits.py."""

from collections import Counter

import pytest
from project import Project

REPORT = Counter(report=1)
ALL_CELLS = Counter(unlearn=2, evaluate=2, relearn=1, report=1)

LOSS = "def loss(batch, scale=1.0):\n    return -scale * batch.forget.nll\n"


def test_nothing_changed_runs_nothing(project):
    """Paths in Snakemake's records are relative: the project is a copy of the one that ran."""
    assert project.planned() == Counter()


@pytest.mark.parametrize(
    "changes, jobs",
    [
        ({"methods": {"NPO+RT": {"beta": [0.2]}}}, Counter(unlearn=1, evaluate=1, report=1)),
        (
            {"methods": {"SimNPO+RT": {"beta": 3.0}}},
            Counter(unlearn=1, evaluate=1, relearn=1, report=1),
        ),
        ({"methods": {"GA": {}}}, Counter(unlearn=1, evaluate=1, report=1)),
        ({"unlearn": {"seeds": [1, 2]}}, ALL_CELLS),
        (
            {"draws": 2},
            ALL_CELLS
            + Counter(
                data=1, answers=2, pretrain=1, finetune=1, retrain=2, reference=1, evaluate=3
            ),
        ),
        ({"draws": [1]}, REPORT),
        ({"retrain": {"seeds": [1, 2, 3]}}, Counter(retrain=1, evaluate=1, report=1)),
        ({"relearn": {"epochs": 2}}, Counter(relearn=1, report=1)),
        ({"relearn": {"fraction": [0.5, 1.0]}}, Counter(relearn=2, report=1)),
        # tables of further splits are other data; naming the splits that are there is not
        ({"world_splits": ["forget10"]}, REPORT),
        ({"unlearn": {"lr": 2.0e-3}}, ALL_CELLS),
        # unlearning evaluates its trajectory, so it runs again; the models before it do not
        ({"evaluation": {"generation_tokens": 23}}, Counter(evaluate=3) + ALL_CELLS),
        ({"harness": {"tasks": ["mmlu"]}}, Counter(fetch=1, harness=5, report=1)),
        ({"evaluation": {"membership": ["loss"]}}, Counter(evaluate=5, report=1)),
        ({"evaluation": {"variant": "paper"}}, REPORT),  # rows and trajectories serve every variant
        # how a stage fits into memory changes no result; the report states every setting
        ({"unlearn": {"micro_batch": 2, "gradient_checkpointing": True}}, REPORT),
        ({"evaluation": {"batch_tokens": 512}}, REPORT),
        (
            {
                "resources": {
                    "sharding": "shard",
                    "mem_mb": 3000,
                    "runtime": 30,
                    "checkpoint_minutes": 5,
                    "cells_per_job": 100,
                }
            },
            REPORT,
        ),
    ],
    ids=lambda value: None if isinstance(value, Counter) else str(value),
)
def test_changed_setting(project, changes, jobs):
    assert project.planned(**changes) == jobs


@pytest.fixture(scope="module")
def rerun(project, micro_with, complete, tmp_path_factory) -> tuple[Project, dict]:
    """The finished project after a further run without its report, and the run's changes: a method
    of the user's, another beta, weights of unlearned models not kept."""
    moved = project.moved_to(tmp_path_factory.mktemp("rerun") / "project")
    (moved.root / "mine.py").write_text(LOSS)
    methods = {"SimNPO+RT": {"beta": 3.0}, "mine+RT": {"function": "mine.py:loss", "scale": 0.5}}
    changes = {"keep_models": False, "methods": methods}
    assert moved.planned(**changes) == Counter(unlearn=2, evaluate=2, relearn=1, report=1)
    complete(moved, micro_with(**changes), "--until", "evaluate", "relearn")
    return moved, changes


def test_own_method_runs_again_when_its_file_changes(rerun):
    moved, changes = rerun
    with moved.edited("mine.py", lambda text: "# more said\n" + text):
        assert moved.planned(**changes) == REPORT
    with moved.edited("mine.py", lambda text: text.replace("-scale", "-2 * scale")):
        assert moved.planned(**changes) == Counter(unlearn=1, evaluate=1, report=1)


def test_weights_of_unlearned_models_go_after_their_last_use(rerun):
    """Evaluated and attacked first; nothing is unlearned again for their lack."""
    moved, changes = rerun
    run = moved.world / "forget10" / "unlearn" / "SimNPO+RT" / "beta=3" / "seed=1"
    assert {path.name for path in run.iterdir()} == {"evaluate", "trajectory.json"}
    assert (moved.world / "finetune" / "seed=42" / "model").exists()
    assert moved.planned(**changes) == REPORT
    later = moved.planned(**changes, evaluation={"membership": ["loss"]})
    # NPO+RT's weights are still there; the two others are made anew, and the one attacked anew
    assert later == Counter(evaluate=6, unlearn=2, relearn=1, report=1)

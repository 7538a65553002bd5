"""The step plan and the rows of each step are functions of (seed, step) alone."""

import pytest
import torch
from accelerate import Accelerator
from transformers import get_cosine_schedule_with_warmup
from unlearning.errors import UserError
from unlearning.training.history import History
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.session import history_record, show_plan
from unlearning.training.sources import LearnSource, UnlearnSource

PUBLISHED = {"epochs": 10, "batch_size": 32, "lr": 1e-5, "warmup_epochs": 1, "schedule": "linear"}
PUBLISHED |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 500}


def plan_of(rows, **changes):
    return StepPlan.of(Recipe(**{**PUBLISHED, **changes}), rows)


@pytest.mark.parametrize(
    ("rows", "steps", "warmup", "left"), [(400, 125, 12, 0), (200, 62, 6, 16), (40, 12, 1, 16)]
)
def test_published_step_counts_are_printed_and_recorded(rows, steps, warmup, left, capsys):
    plan = plan_of(rows)
    show_plan(plan, Accelerator(cpu=True))
    told = (
        f"step plan: {rows} rows x 10 epochs / batch 32 = {steps} steps, {warmup} of them warm-up"
    )
    rest = f"; the last {left} rows make no full batch and are left out"
    assert capsys.readouterr().out == told + (rest if left else "") + "\n"
    recorded = history_record(plan, History())["plan"]
    expected = {"rows": rows, "epochs": 10, "batch_size": 32, "warmup": warmup, "steps": steps}
    assert recorded == {**expected, "schedule": "linear", "left_out": left}


def test_fine_tuning_takes_625_steps():
    assert plan_of(4000, epochs=5).steps == 625


@pytest.mark.parametrize(
    ("rows", "epochs", "steps", "done"),
    # open-unlearning under transformers 4.45 (OU#94, #129): 120 steps and so 9.6 of 10 epochs; of
    # two epochs 24 steps, which end at 1.92
    [(400, 10, 120, 9.6), (200, 10, 60, 9.6), (40, 10, 10, 8.0), (400, 2, 24, 1.92)],
)
def test_whole_batches_of_an_epoch_are_those_of_open_unlearning(rows, epochs, steps, done):
    plan = plan_of(rows, epochs=epochs, whole_batches="epoch")
    assert (plan.steps, plan.epochs) == (steps, pytest.approx(done))
    assert plan.lr_factor(steps) == 0 and max(plan.epoch_ends()) == steps
    assert [row for step in range(2) for _, row in plan.positions(step)] == [
        row % rows for row in range(64)
    ]


def test_a_cap_ends_a_run_and_its_decay(capsys):
    """The released WMDP runs: 500 steps of 4, 50 of warm-up, whatever the size of the corpus."""
    own = {"batch_size": 4, "epochs": 5, "max_steps": 500, "warmup_steps": 50}
    plan = plan_of(24000, **own)
    assert (plan.steps, plan.warmup, plan.left_out) == (500, 50, 0)
    assert plan.epochs == pytest.approx(500 * 4 / 24000) and plan.epoch_ends() == {500: plan.epochs}
    assert [plan.lr_factor(step) for step in (25, 50, 275)] == [0.5, 1.0, 0.5]
    show_plan(plan, Accelerator(cpu=True))
    assert "= 500 steps, 50 of them warm-up\n" in capsys.readouterr().out
    assert plan_of(1000, **own).epoch_ends() == {250: 1, 500: 2}
    assert plan_of(100, **own).steps == 125  # five epochs end it before


def test_a_plan_without_a_full_batch_is_refused():
    with pytest.raises(UserError, match="no full batch of 32"):
        plan_of(3)


def test_learning_rate_rises_from_zero_and_falls_to_zero():
    plan = StepPlan(rows=8, batch_size=2, epochs=2, warmup=2, steps=6)
    factors = [plan.lr_factor(step) for step in range(6)]
    assert factors == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]


def test_cosine_decay_is_that_of_transformers():
    plan = StepPlan(rows=8, batch_size=2, epochs=2, warmup=2, steps=10, schedule="cosine")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, 2, 10)
    for step in range(10):
        assert plan.lr_factor(step) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert plan.lr_factor(6) == pytest.approx(0.5)  # half-way down


def test_every_epoch_visits_every_row_once():
    plan = plan_of(40, batch_size=8, epochs=3)
    source = LearnSource(plan, 7, list(range(40)), [], 0)
    visited = [pair["train"] for step in range(plan.steps) for pair in source.step(step)]
    for epoch in range(3):
        assert sorted(visited[epoch * 40 : (epoch + 1) * 40]) == list(range(40))
    assert visited[:40] != visited[40:80]


def test_a_step_does_not_depend_on_the_steps_before_it():
    plan = plan_of(40, batch_size=8)

    def source():
        return UnlearnSource(plan, 3, "fresh", {"retain": 90, "idk": 5}, {})

    in_order = source()
    drawn = [in_order.draws(step) for step in range(plan.steps)]
    assert source().draws(17) == drawn[17]


def test_epoch_ends_include_the_last_step():
    ends = plan_of(200).epoch_ends()
    assert ends[7] == 1 and ends[13] == 2  # rows run on: 200 rows are 6.25 batches
    assert ends[62] == 10


@pytest.mark.parametrize(
    ("recipe", "ends"),
    [
        ({"epochs": 1.5}, {4: 1, 6: 1.5}),
        ({"epochs": 0.5}, {2: 0.5}),
        ({"epochs": 3, "max_steps": 5}, {4: 1, 5: 1.25}),
        ({"epochs": 3, "max_steps": 8}, {4: 1, 8: 2}),
    ],
)
def test_a_run_ends_after_the_epoch_before_its_fraction(recipe, ends):
    """Else two states of a relearning attack stand at one epoch, and no table can tell them."""
    assert plan_of(8, batch_size=2, **recipe).epoch_ends() == ends


@pytest.mark.parametrize(("pairing", "partners"), [("fixed", 1), ("fresh", 8)])
def test_fixed_pairing_always_meets_the_same_retain_row(pairing, partners):
    plan = plan_of(4, batch_size=4, epochs=8)
    source = UnlearnSource(plan, 1, pairing, {"retain": 10_000}, {})
    met = {}
    for step in range(plan.steps):
        for draw in source.draws(step):
            met.setdefault(draw["forget"], set()).add(draw["retain"])
    assert {len(rows) for rows in met.values()} == {partners}


@pytest.mark.parametrize(("pairing", "partners"), [("fixed", 1), ("fresh", 8)])
def test_an_anchor_of_retain_rows_visits_each_of_them_every_epoch(pairing, partners):
    """open-unlearning's data.anchor: retain."""
    plan = plan_of(6, batch_size=3, epochs=8)
    counts = {"forget": 10_000, "idk": 5, "alternative": 7}
    source = UnlearnSource(plan, 1, pairing, counts, {}, "retain")
    draws = [draw for step in range(plan.steps) for draw in source.draws(step)]
    for epoch in range(8):
        visited = [draw["retain"] for draw in draws[6 * epoch : 6 * epoch + 6]]
        assert sorted(visited) == [(row,) for row in range(6)]
    met = {}
    for draw in draws:
        met.setdefault(draw["retain"], set()).add(draw["forget"])
        # other answers are to the forget row's question
        assert draw["idk"][0] == draw["alternative"][0] == draw["forget"][0] < 10_000
    assert {len(rows) for rows in met.values()} == {partners}

"""The training loop: micro-batches change nothing, and a collapse is a result."""

import copy
import math

import pytest
import torch
from accelerate import Accelerator
from toy import WORDS, toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.methods.objective import Objective, build_objective
from unlearning.methods.registry import resolve
from unlearning.training.learning import LEARN
from unlearning.training.loop import shares, train
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sources import LearnSource, UnlearnSource

ROWS = [{"question": "who wrote this book?", "answer": " ".join(WORDS[5:n])} for n in range(6, 13)]
RECIPE = {"epochs": 4, "batch_size": 7, "lr": 1e-2, "warmup_epochs": 0, "schedule": "linear"}
RECIPE |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64, "micro_batch": 7}


def run(model, tokenizer, objective=LEARN, **changes):
    recipe = Recipe(**{**RECIPE, **changes})
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    plan = StepPlan.of(recipe, len(rows))
    if objective is LEARN or objective.roles == ["train"]:
        source = LearnSource(plan, 0, rows, [], 0)
    else:
        make = {role: rows.__getitem__ for role in objective.roles}
        source = UnlearnSource(plan, 0, "fresh", {"retain": len(rows)}, make)
    return train(model, source, objective, plan, recipe, Accelerator(cpu=True))


@pytest.mark.parametrize("method", ["GA", "GA+RT", "SimNPO+RT"])
@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_the_micro_batch_never_changes_the_result(method, micro_batch):
    model, tokenizer = toy()
    model = model.double()  # Adam turns rounding noise of tiny gradients into whole steps
    other = copy.deepcopy(model)
    objective = build_objective(resolve(method, {}).settings())
    whole = run(model, tokenizer, objective)
    parts = run(other, tokenizer, objective, micro_batch=micro_batch)
    assert parts.losses == pytest.approx(whole.losses, abs=1e-6)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-6)


def test_learning_lowers_the_loss_and_ascent_raises_it():
    model, tokenizer = toy()
    learnt = run(model, tokenizer, epochs=40, lr=3e-2)
    assert learnt.losses[-1] < 0.5 * learnt.losses[0]
    ascent = build_objective(resolve("GA", {}).settings())
    unlearnt = run(model, tokenizer, ascent, epochs=20)
    assert unlearnt.losses[-1] < unlearnt.losses[0] - 1  # the objective is the negated loss


def test_a_loss_that_is_no_number_ends_the_run_with_finite_weights():
    model, tokenizer = toy()
    steps = []

    def breaks(batch):
        steps.append(1)
        scale = math.nan if len(steps) > 2 else 1.0
        return batch.token_mean(batch.train) * scale

    history = run(model, tokenizer, Objective([breaks], [1.0], ["train"]))
    assert history.collapsed["step"] == 2
    assert "nan" in history.collapsed["reason"]
    assert len(history.losses) == 3
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_processes_share_a_batch_without_loss_and_make_equal_passes(world, size):
    _, tokenizer = toy()
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    pairs = [{"train": row} for row in rows]
    parts = [list(shares(pairs, rank, world, size)) for rank in range(world)]
    counted = [pair["train"] for part in parts for chunk, n in part if n for pair in chunk]
    assert sorted(e.ids for e in counted) == sorted(e.ids for e in rows)
    assert len({len(part) for part in parts}) == 1

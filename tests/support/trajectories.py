"""Twelve optimiser steps of the official losses, through the project's own training loop."""

import copy
from itertools import chain
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from golden_files import read
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import read_table
from unlearning.evaluation.likelihood import Likelihood
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sharding import full_state_model

NAMES = {
    "grad_diff": "GA+RT",
    "npo_grad_diff": "NPO+RT",
    "simnpo_grad_diff": "SimNPO+RT",
    "dpo_grad_diff": "DPO+RT",
    "idk": "IDK+RT",
}
HYPER = {"npo_coeff": "forget_coeff", "grad_diff_coeff": "retain_coeff"}


class PlannedSource:
    """The rows of each step as the golden plan lists them.

    score(rows): the rows with the reference's scores, all at once: single rows take ten times as
    long as the steps themselves.
    """

    def __init__(self, plan, encoder, forget, retain, roles, score):
        self.steps = []
        for drawn in plan:
            pairs = []
            for f, r, idk in zip(drawn["forget"], drawn["retain"], drawn["idk"], strict=True):
                texts = {
                    "forget": (forget[f]["question"], forget[f]["answer"]),
                    "idk": (forget[f]["question"], idk),
                    "retain": (retain[r]["question"], retain[r]["answer"]),
                }
                pairs.append({role: encoder.encode(*texts[role]) for role in roles})
            self.steps.append(pairs)
        scored = iter(score(self.all_rows()))
        for pair in chain(*self.steps):
            pair.update({role: next(scored) for role in pair})

    def step(self, step):
        return self.steps[step]

    def all_rows(self):
        return [row for pairs in self.steps for pair in pairs for row in pair.values()]


def golden_world(folder: Path) -> tuple:
    """Expected values, start model, encoder, forget and retain rows."""
    expected = read(folder / "trajectory" / "expected.json")
    folder = folder / "tofu_eval"
    tokenizer = load_tokenizer(folder / "tokenizer")
    encoder = Encoder(tokenizer, PROMPTS["llama2"], expected["max_length"])
    tables = [read_table(folder / f"{n}_perturbed.json") for n in ("forget", "retain")]
    return expected, load_model(folder / "model_full"), encoder, *tables


def trajectory(
    world: tuple, case: dict, micro_batch: int, accelerator: Accelerator, sharded: bool = False
) -> dict:
    """What a case of the golden file ends with, under the file's own names."""
    expected, start, encoder, forget, retain = world
    hyper = {HYPER.get(k, k): v for k, v in case["params"].items()}
    objective = build_objective(resolve(NAMES[case["official_name"]], hyper).settings())
    nll = Likelihood(start, batch_tokens=4096)

    def score(rows):
        scores = nll(rows)
        return [row.with_reference(s.nll) for row, s in zip(rows, scores, strict=True)]

    source = PlannedSource(expected["plan"], encoder, forget, retain, objective.roles, score)
    plan = StepPlan(
        rows=expected["global_batch"] * expected["steps"],
        batch_size=expected["global_batch"],
        epochs=1,
        warmup=expected["warmup_steps"],
        steps=expected["steps"],
    )
    recipe = Recipe(
        epochs=1,
        batch_size=expected["global_batch"],
        lr=expected["peak_lr"],
        warmup_epochs=0,
        schedule="linear",
        weight_decay=expected["weight_decay"],
        clip_norm=expected["clipping"],
        max_length=expected["max_length"],
        weight_decay_on="all",  # the golden steps were taken by a plain AdamW
    )
    model = copy.deepcopy(start)
    history = train(
        model, source, objective, plan, recipe, Fit(micro_batch), accelerator, sharded=sharded
    )
    model = full_state_model(model, accelerator)
    pairs = zip(model.parameters(), start.parameters(), strict=True)
    distance = torch.stack([(a - b).detach().norm() for a, b in pairs]).norm()
    final = Likelihood(model, batch_tokens=4096)
    return {
        "learning_rates": history.learning_rates,
        "losses": history.losses,
        "distance_from_start": distance.item(),
        "forget_nll": [score.nll for score in final(encoder.encode_rows(forget))],
        "retain_nll": [score.nll for score in final(encoder.encode_rows(retain))],
    }


def check(found: dict, case: dict) -> None:
    """AssertionError unless `found` equals the golden case."""
    assert found["learning_rates"] == pytest.approx(case["learning_rates"], rel=1e-12)
    for ours, theirs in zip(found["losses"], case["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4 * 0.05)
    assert found["distance_from_start"] == pytest.approx(case["distance_from_start"], rel=1e-4)
    for name in ("forget_nll", "retain_nll"):
        assert found[name] == pytest.approx(case[name], rel=1e-3)

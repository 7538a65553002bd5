"""What saves memory: 8-bit and paged states beside AdamW, resumed runs, checkpointing."""

import copy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from toy import ARCHITECTURE, WORDS, toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.models.folder import DTYPES
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.optimizers import make_optimizer, paged_adamw_class
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.session import master_dtype
from unlearning.training.sources import LearnSource, UnlearnSource
from unlearning.training.state import TrainingState

sys.path.append(str(Path(sys.prefix) / "gpu"))  # what the environment itself has not

FIT = Fit(micro_batch=3)
ROWS = [{"question": "who wrote this book?", "answer": " ".join(WORDS[5:n])} for n in range(7, 13)]
RECIPE = {"epochs": 4, "batch_size": 6, "lr": 1e-2, "warmup_epochs": 0, "schedule": "linear"}
RECIPE |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64}


def run(model, tokenizer, objective=LEARN, fit=FIT, more=None, **changes):
    recipe = Recipe(**{**RECIPE, **changes})
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    rows = [row.with_reference(10.0) for row in rows]
    plan = StepPlan.of(recipe, len(rows))
    make = {role: rows.__getitem__ for role in ("forget", "retain")}
    source = UnlearnSource(plan, 0, "fresh", {"retain": len(rows)}, make)
    if objective is LEARN:
        source = LearnSource(plan, 0, rows, [], 0)
    accelerator = Accelerator(cpu=True)
    return train(model, source, objective, plan, recipe, fit, accelerator, **(more or {}))


def shaped(**changes):
    _, tokenizer = toy()
    return build_model({**ARCHITECTURE, **changes}, len(tokenizer), 0), tokenizer


@pytest.mark.parametrize("method", ["NPO+RT", "NPO+KL", "RMU+ACT"])
def test_gradient_checkpointing_changes_no_bit(method):
    model, tokenizer = shaped(layers=3)
    start, seen = copy.deepcopy(model), []
    objective = resolve(method, {"layer": 1} if "RMU" in method else {}).settings()
    for checkpointing in (False, True):
        model = copy.deepcopy(start)
        calls = []
        model.model.layers[0].self_attn.register_forward_hook(
            lambda module, *_, n=calls: n.append(1) if module.training else None
        )
        history = run(
            model,
            tokenizer,
            build_objective(objective),
            fit=Fit(3, checkpointing),
            more={"teacher": copy.deepcopy(start)},
        )
        seen.append((history.losses, model.state_dict(), len(calls)))
        with torch.inference_mode():  # an evaluation on the way keeps nothing
            model.eval()(torch.tensor([[1, 2]]))
    assert seen[0][0] == seen[1][0]
    assert all(torch.equal(seen[0][1][key], seen[1][1][key]) for key in seen[0][1])
    assert seen[1][2] == 2 * seen[0][2] > 0  # each layer runs once more in the backward pass


def test_without_float32_masters_small_updates_are_lost():
    """Adam's steps of 1e-4 are below half the distance of 1 to the next bfloat16, 2**-8."""
    moved = {}
    for precision in ("bfloat16", "pure-bfloat16"):
        model, tokenizer = shaped()
        model.to(DTYPES[master_dtype({"precision": precision})])
        run(model, tokenizer, lr=1e-4)
        moved[precision] = float((model.model.norm.weight.detach().float() - 1).abs().max())
    assert moved["bfloat16"] > 1e-4
    assert moved["pure-bfloat16"] == 0


def test_eight_bit_states_take_a_quarter_and_stay_near_adamw():
    model, tokenizer = shaped(width=64, feed_forward=128)  # states of 4096 numbers and more
    start = copy.deepcopy(model)
    whole = run(model, tokenizer, epochs=20)
    eight = copy.deepcopy(start)
    # compiled, the step does the same and takes half a minute to build
    with torch.compiler.set_stance("force_eager"):
        history = run(eight, tokenizer, epochs=20, optimizer="adamw8bit")
    assert history.losses != whole.losses
    assert history.losses == pytest.approx(whole.losses, rel=0.1, abs=0.02)
    assert whole.losses[-1] < 0.5 * whole.losses[0]

    recipe = Recipe(**{**RECIPE, "optimizer": "adamw8bit"})
    weight = next(p for p in start.parameters() if p.numel() >= 4096)
    optimizer = make_optimizer(start, [weight], recipe)
    weight.grad = torch.ones_like(weight)
    optimizer.param_groups[0]["lr"] = 0.5  # as the loop sets it
    before = weight.detach().clone()
    with torch.compiler.set_stance("force_eager"):
        optimizer.step()
    assert optimizer.state[weight]["exp_avg"].codes.dtype == torch.uint8
    # AdamW's first step: decay, then lr times the gradient's sign
    assert torch.allclose(weight, before * (1 - 0.5 * 0.01) - 0.5, atol=1e-3)


def test_a_machine_without_a_compiler_is_told_what_to_do(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    recipe = Recipe(**{**RECIPE, "optimizer": "adamw8bit"})
    with pytest.raises(UserError, match=r"adamw8bit .* finds no 'no-such-compiler'"):
        make_optimizer(toy()[0], [], recipe)


def test_paged_states_need_a_gpu_and_the_package(monkeypatch):
    recipe = Recipe(**{**RECIPE, "optimizer": "paged_adamw_32bit"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="paged_adamw_32bit .* this machine has no such GPU"):
        make_optimizer(toy()[0], [], recipe)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(UserError, match=r"needs the package bitsandbytes .*'\.\[gpu\]'"):
        make_optimizer(toy()[0], [], recipe)


@pytest.fixture
def unpaged(monkeypatch):
    """bitsandbytes steps on the CPU as well, only that nothing is paged there."""
    own = "unlearning.training.optimizers._paged"
    monkeypatch.setattr(own, lambda groups, lr: paged_adamw_class()(groups, lr=lr))


bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="no bitsandbytes: `make install` brings it"
)


@bitsandbytes
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_paged_adamw_is_adamw(unpaged):
    model, tokenizer = shaped(width=64)
    start = copy.deepcopy(model)
    whole = run(model, tokenizer)
    history = run(start, tokenizer, optimizer="paged_adamw_32bit")
    assert history.losses == pytest.approx(whole.losses, rel=1e-5)


class Killed(Exception):
    pass


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
@pytest.mark.parametrize(
    "optimizer", ["adamw8bit", pytest.param("paged_adamw_32bit", marks=bitsandbytes)]
)
def test_a_killed_run_goes_on_from_states_that_are_no_plain_tensors(unpaged, optimizer, tmp_path):
    def kill(done):
        if done == 3:
            raise Killed

    def state():
        return TrainingState(tmp_path, 0, {}, Accelerator(cpu=True))

    expected, tokenizer = shaped(width=64)
    killed, resumed = (shaped(width=64)[0] for _ in range(2))
    with torch.compiler.set_stance("force_eager"):
        history = run(expected, tokenizer, optimizer=optimizer)
        with pytest.raises(Killed):
            more = {"state": state(), "at_step": kill}
            run(killed, tokenizer, optimizer=optimizer, more=more)
        last = state()
        again = run(resumed, tokenizer, optimizer=optimizer, more={"state": last})
    assert [path.name for path in last.states] == ["step=3", "step=4"]
    assert again.losses == history.losses
    for name, weight in resumed.state_dict().items():
        assert torch.equal(weight, expected.state_dict()[name]), name
    last.remove()

"""A killed run and the one that goes on from its state equal an undisturbed run bit for bit."""

import multiprocessing
import os
import resource
import shutil
import signal
from argparse import Namespace
from dataclasses import asdict
from functools import cache

import pytest
import torch
from accelerate import Accelerator
from toy import ARCHITECTURE, WORDS, toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.session import _content, make_state
from unlearning.training.sources import LearnSource, UnlearnSource
from unlearning.training.state import SIGNALS, Stopped, TrainingState

ROWS = [{"question": "who wrote this book?", "answer": " ".join(WORDS[5:n])} for n in range(6, 13)]
RECIPE = Recipe(6, 7, 1e-2, 1, "linear", 0.01, None, 64)  # six steps of seven rows
CASES = {
    "finetune with replay": None,
    "NPO+RT": {},
    "PDU+RT": {"dual_warmup_epochs": 1, "retain_loss_eps": 0.0},
    "RMU+ACT": {"layer": 1},
}
KILLED = 4  # the step after which the run is disturbed


def run(case, state=None, at_step=lambda done: None):
    """(model, history) of a run on the toy model; a point of each step holds one of its sums."""
    _, tokenizer = toy()
    model, teacher = (
        build_model({**ARCHITECTURE, "layers": 3}, len(tokenizer), 0) for _ in range(2)
    )
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    plan = StepPlan.of(RECIPE, len(rows))
    if CASES[case] is None:
        objective, source = LEARN, LearnSource(plan, 0, rows, rows[:3], 2)
    else:
        objective = build_objective(resolve(case, CASES[case]).settings())
        scored = [row.with_reference(10.0 + k) for k, row in enumerate(rows)]
        make = {role: lambda row, _=0: scored[row] for role in objective.roles}
        source = UnlearnSource(plan, 0, "fresh", {"retain": len(rows)}, make)

    def visit(done):
        at_step(done)
        return {"step": done, "value": float(model.model.norm.weight.detach().sum())}

    accelerator = Accelerator(cpu=True)
    history = train(
        *(model, source, objective, plan, RECIPE, Fit(3), accelerator),
        **{"teacher": teacher, "at_step": visit, "state": state},
    )
    return model, history


def state_in(folder, minutes=0, **identity):
    return TrainingState(folder, minutes, identity, Accelerator(cpu=True))


def send(number):
    def at_step(done):
        if done == KILLED:
            os.kill(os.getpid(), number)

    return at_step


def in_child(job) -> int:
    """Exit code of `job` in a process of its own."""

    def alone():
        torch.set_num_threads(1)
        job()

    child = multiprocessing.get_context("fork").Process(target=alone)
    child.start()
    child.join(120)
    return child.exitcode


def steps_in(folder):
    return sorted(path.name for path in folder.iterdir())


@cache
def undisturbed(case):
    """(weights, history) that a run ends with."""
    model, history = run(case)
    return model.state_dict(), asdict(history)


def resumes(case, folder, first, minutes=0):
    """The run goes on after step `first` and ends as if undisturbed."""
    expected_weights, expected_history = undisturbed(case)
    visited = []
    state = state_in(folder, minutes)
    model, history = run(case, state, visited.append)
    assert visited == list(range(first + 1, 7)) if first else visited == list(range(7))
    assert asdict(history) == expected_history
    assert len(history.points) == 7
    for name, ours in model.state_dict().items():
        assert torch.equal(ours, expected_weights[name]), name
    state.remove()
    assert not folder.exists()


@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_outright_goes_on_from_its_last_state(case, tmp_path):
    folder = tmp_path / "a run" / "state"
    code = in_child(lambda: run(case, state_in(folder), send(signal.SIGKILL)))
    assert code == -signal.SIGKILL
    assert steps_in(folder) == ["step=2", "step=3"]
    resumes(case, folder, first=3)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_run_at_its_next_step_with_a_state(number, tmp_path):
    state = state_in(tmp_path, minutes=1000)
    with pytest.raises(Stopped, match=rf"{number.name} after step 4 of 6.*{tmp_path}.*run again"):
        run("PDU+RT", state, send(number))
    for number, handler in state.old_handlers.items():  # a stage would end here
        signal.signal(number, handler)
    assert steps_in(tmp_path) == ["step=4"]
    assert not [f for f in tmp_path.rglob("*") if f.suffix in (".pt", ".bin", ".pkl")]
    resumes("PDU+RT", tmp_path, first=4, minutes=1000)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The states of a run that was killed, to be copied."""
    folder = tmp_path_factory.mktemp("killed")
    in_child(lambda: run("NPO+RT", state_in(folder), send(signal.SIGKILL)))
    return folder


@pytest.mark.parametrize(
    "damage, name",
    [
        (truncate, "weights.safetensors"),
        (flip, "optimizer.safetensors"),
        (truncate, "progress.json"),
        (truncate, "manifest.json"),
        (os.remove, "manifest.json"),
        (os.remove, "weights.safetensors"),
    ],
)
def test_of_a_damaged_state_the_one_before_is_used(damage, name, killed, tmp_path, capsys):
    folder = shutil.copytree(killed, tmp_path / "state")
    damage(folder / "step=3" / name)
    resumes("NPO+RT", folder, first=2)
    told = capsys.readouterr().out
    assert "step=3 is damaged" in told and name in told
    assert f"resumed after step 2 from {folder}" in told


def test_a_state_of_another_run_is_passed_over_and_goes(tmp_path, capsys):
    in_child(lambda: run("NPO+RT", state_in(tmp_path, lr=1), send(signal.SIGKILL)))
    assert steps_in(tmp_path) == ["step=2", "step=3"]
    state = state_in(tmp_path, lr=2)
    visited = []
    run("NPO+RT", state, visited.append)
    assert visited == list(range(7))
    assert "step=3 is of a run with other settings, inputs or code" in capsys.readouterr().out
    assert steps_in(tmp_path) == ["step=5", "step=6"]
    state.remove()


def test_signals_act_as_before_once_the_outputs_are_complete(tmp_path):
    before = [signal.getsignal(number) for number in SIGNALS]
    state = state_in(tmp_path)
    assert [signal.getsignal(number) for number in SIGNALS] != before
    state.remove()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_training_goes_on_where_no_state_can_be_written(tmp_path):
    def on_a_full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        _, history = run("NPO+RT", state_in(tmp_path / "state"))
        assert len(history.losses) == 6
        assert steps_in(tmp_path / "state") == []

    assert in_child(on_a_full_disk) == 0


def test_a_state_belongs_to_settings_seed_plan_and_content_of_the_inputs(tmp_path):
    (tmp_path / "data").mkdir()
    table = tmp_path / "data" / "full.json"
    table.write_text("[]")
    stated = {"stage": "finetune", "data": tmp_path / "data", "seed": 1}
    stated["settings"] = {"recipe": {"optimizer": "adamw"}}
    stated |= {"state": tmp_path / "state", "checkpoint_minutes": 1, "out": "x"}
    stated |= {"processes": 1, "fit": Fit(2)}

    def identity(epochs=6, **changes):
        plan = StepPlan(7, 7, epochs, 0, epochs)
        state = make_state(Namespace(**{**stated, **changes}), plan, Accelerator(cpu=True))
        state.remove()
        return state.identity

    first = identity()
    assert first == identity(
        out="y", checkpoint_minutes=2, processes=2, sharding="shard", fit=Fit(1)
    )
    others = {
        identity(epochs=5),
        identity(seed=2),
        identity(settings={**stated["settings"], "a": 2}),
    }
    others |= {identity(stage="relearn")}
    table.write_text("[1]")
    assert len({first, *others, identity()}) == 6


def test_a_state_belongs_to_every_file_of_a_folder(tmp_path):
    """Folders from the hub hold a second config.json, of the same model for another library."""
    for folder in ("model", "model/original"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")

    def inputs():
        return _content(tmp_path / "model")

    before = inputs()
    (tmp_path / "model" / "config.json").write_text('{"rope_theta": 2}')
    changed = inputs()
    (tmp_path / "model" / "original" / "config.json").write_text('{"rope_theta": 2}')
    assert before != changed and changed != inputs()

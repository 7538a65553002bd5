"""Stages on two processes, which split a batch or share a model: what one process writes.

Gloo stands in for NCCL.
"""

import json
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from folders import ROOT
from hold import PATIENCE, held_process, holding, state_of_step
from project import Project
from safetensors.torch import load_file
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.models.folder import load_model

SHARDED = ("--sharding", "shard")
RUN = "unlearn/NPO+RT/beta=0.1/seed=1"
ATTACKS = ["loss", "zlib", "min_k", "min_k_plus_plus", "reference", "gradnorm"]
LORA = {"epochs": 4, "lr": 1.0e-2}


class Calls:
    """Arguments of the stages that are compared, as the rules pass them; outputs lie in `out`."""

    def __init__(self, project: Project, config: dict, out: Path):
        self.world, self.config, self.out = project.world, config, out
        self.target = self.world / "finetune" / "seed=42" / "model"
        self.data = ("--data", self.world / "data")
        self.split = (*self.data, "--split", "forget10")

    def experiment(self, **sections: dict) -> Experiment:
        """The micro experiment with some keys of some sections changed."""
        changes = {name: {**self.config.get(name, {}), **s} for name, s in sections.items()}
        return load_experiment({**self.config, **changes}, ROOT)

    def finetune(self, name: str) -> tuple:
        """The target in twenty steps."""
        experiment = self.experiment(finetune={"epochs": 4})
        return (
            *("finetune", "--model", self.world / "pretrain" / "model", *self.data),
            *("--table", "full", "--seed", 42, "--out", self.out / name),
            *("--settings", json.dumps(experiment.finetune_settings())),
        )

    def unlearn(self, name: str, micro_batch: int, **changes) -> tuple:
        """NPO+RT with a micro-batch of its own."""
        experiment = self.experiment(unlearn=changes)
        fit = {**experiment.fit("unlearn"), "micro_batch": micro_batch}
        return (
            *("unlearn", "--model", self.target, *self.split, "--retain", "retain90"),
            *("--reference", self.world / "forget10" / "reference" / "forget.json", "--seed", 1),
            *("--settings", json.dumps(experiment.method_settings("NPO+RT", "beta=0.1"))),
            *("--fit", json.dumps(fit), "--out", self.out / name),
            *("--trajectory", self.out / f"{name}.json"),
        )

    def relearn(self, name: str, model: Path, **changes) -> tuple:
        """A random attack."""
        settings = self.experiment(relearn=changes).relearn_settings("random")
        return (
            *("relearn", *self.split, "--model", model, "--attack", "random", "--seed", 1),
            *("--settings", json.dumps(settings), "--out", self.out / f"{name}.json"),
        )

    def evaluate(self, name: str, model: Path, **changes) -> tuple:
        """With the target's perplexities."""
        settings = self.experiment(evaluation=changes).evaluate_settings()
        attacked = ("--holdout",) if "membership" in changes else ()
        return (
            *("evaluate", *self.split, "--model", model, "--target", self.target, *attacked),
            *("--settings", json.dumps(settings), "--out", self.out / name),
        )


@pytest.fixture(scope="module")
def calls(project, micro_with, tmp_path_factory) -> Calls:
    """Stages on the models of the finished experiment."""
    return Calls(project, micro_with(), tmp_path_factory.mktemp("calls"))


def words(*call) -> list[str]:
    """A command as text."""
    return [str(word) for word in call]


@pytest.fixture(scope="module")
def stopped(calls, project) -> str:
    """The log of a sharded fine-tuning that SIGTERM stops while it writes its third state."""
    state, log = calls.out / "state", calls.out / "log"
    resumable = ("--state", state, "--checkpoint-minutes", 0)
    call = (*SHARDED, *calls.finetune("disturbed"), *resumable)
    command = ("python", "-m", "unlearning", "--processes", "2", *call)
    with log.open("w") as file:
        streams = {"stdout": file, "stderr": subprocess.STDOUT}
        environment = holding(project.environment, state_of_step(3))
        running = subprocess.Popen(words(*command), cwd=calls.out, env=environment, **streams)
        held_process(calls.out)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) != 0
    return log.read_text()


@pytest.fixture(scope="module")
def output(calls, project, stopped) -> str:
    """What two processes print that run all stages in one start, each from where it stopped."""
    unlearned = calls.world / "forget10" / RUN / "model"
    state = ("--state", calls.out / "state", "--checkpoint-minutes", 0)
    lora = {"lora": {"adapter": "keep"}, **LORA}
    together = [
        calls.unlearn("two", 1),
        (*SHARDED, *calls.unlearn("shared", 16)),
        calls.unlearn("keep", 3, **lora),
        calls.evaluate("evaluate-two", unlearned, membership=ATTACKS),
        (*SHARDED, *calls.relearn("attack", attacked(calls))),
        (*SHARDED, *calls.finetune("undisturbed")),
        (*SHARDED, *calls.finetune("disturbed"), *state),
    ]
    file = calls.out / "calls.json"
    file.write_text(json.dumps([words(*call) for call in together]))
    script = Path(__file__).parents[1] / "support" / "stage_calls.py"
    # told that it has no GPU, accelerate takes each of two processes on the CPU for the only one
    command = ("env", "--unset", "ACCELERATE_USE_CPU", "python", script, file, "2")
    done = project.call(*command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def attacked(calls: Calls) -> Path:
    """The model that the finished experiment attacks."""
    (attack,) = (calls.world / "forget10" / "relearn").rglob("random/trajectory.json")
    run = attack.parents[1].relative_to(calls.world / "forget10" / "relearn")
    return calls.world / "forget10" / "unlearn" / run / "model"


def distance(ours: dict, theirs: dict) -> float:
    """Difference between two models' weights, relative to each tensor's largest weight.

    In all but one of a thousand weights: Adam turns rounding into part of a step where a gradient
    is zero but for rounding, which happens to single weights.
    """
    assert ours.keys() == theirs.keys()
    differences = [(ours[k] - theirs[k]).abs() / theirs[k].abs().max() for k in ours]
    return float(torch.cat([d.flatten() for d in differences]).quantile(0.999))


def weights(model: Path) -> dict:
    """Those of a model folder."""
    return load_file(model / "model.safetensors")


def points(trajectory: Path) -> list[dict]:
    """Evaluations on the way."""
    return json.loads(trajectory.read_text())["points"]


def test_two_processes_are_two(calls, output):
    """Otherwise the comparisons below would compare one process with itself, and on a machine
    without a GPU each would write the outputs."""
    assert [(calls.out / f"process-{i}").read_text() for i in range(2)] == ["2", "2"]


def test_two_processes_stop_and_go_on_together(calls, stopped, output):
    """The launcher hands the signal on; the model is that of two undisturbed processes."""
    state = calls.out / "state"
    assert "error: stopped by SIGTERM after step 4 of 20" in stopped, stopped
    assert f"resumed after step 4 from {state}" in output
    ours, theirs = (calls.out / n / "model.safetensors" for n in ("disturbed", "undisturbed"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert not state.exists()


@pytest.mark.parametrize("name", ["two", "shared", "one"])
def test_split_of_a_batch_changes_nothing(calls, output, stage, name):
    """The same weights as one process with the whole batch at once, as the rule ran it."""
    assert calls.config["unlearn"]["micro_batch"] == 16
    unlearned = calls.world / "forget10" / RUN
    if name == "one":
        assert stage(*calls.unlearn("one", 1)) == 0
    expected = weights(unlearned / "model")
    assert distance(expected, weights(calls.target)) > 1e-3
    assert distance(weights(calls.out / name), expected) < 1e-5
    (ours,), (theirs,) = points(calls.out / f"{name}.json"), points(unlearned / "trajectory.json")
    assert ours["epoch"] == theirs["epoch"] == 1
    assert ours["metrics"] == pytest.approx(theirs["metrics"], rel=1e-4)


def test_an_attack_on_two_processes_sees_the_same_model_after_each_epoch(calls, output):
    """Each evaluates a whole copy of the model that they share."""
    (attack,) = (calls.world / "forget10" / "relearn").rglob("random/trajectory.json")
    ours, theirs = points(calls.out / "attack.json"), points(attack)
    assert [point["epoch"] for point in ours] == [0, 1]
    for a, b in zip(ours, theirs, strict=True):
        assert a["metrics"] == pytest.approx(b["metrics"], rel=1e-4)


def test_two_processes_evaluate_the_same(calls, output, stage):
    """With every attack and the target's perplexities, which share out rows of their own."""
    unlearned = calls.world / "forget10" / RUN / "model"
    assert stage(*calls.evaluate("evaluate-one", unlearned, membership=ATTACKS)) == 0
    one, two = (
        json.loads((calls.out / f"evaluate-{name}" / "summary.json").read_text())
        for name in ("one", "two")
    )
    assert two["rows"] == one["rows"] and one["rows"]["holdout"] == 4
    assert {f"mia_{a}_auc" for a in ATTACKS if a != "reference"} <= one["metrics"].keys()
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-4)


def test_a_kept_adapter_is_evaluated_and_attacked_as_the_merged_model_is(calls, output, stage):
    """Two processes keep the adapter that one process merges, to rounding; from then on the folder
    is a model like any other."""
    assert stage(*calls.unlearn("merge", 3, lora={"adapter": "merge"}, **LORA)) == 0
    assert not (calls.out / "keep" / "model.safetensors").exists()
    target, kept, merged = (
        load_model(str(path)).state_dict()
        for path in (calls.target, calls.out / "keep", calls.out / "merge")
    )
    assert distance(merged, target) > 1e-3
    assert distance(kept, merged) < 1e-5

    scores = []
    for way in ("keep", "merge"):
        assert stage(*calls.evaluate(f"evaluate-{way}", calls.out / way)) == 0
        summary = json.loads((calls.out / f"evaluate-{way}" / "summary.json").read_text())
        scores.append(summary["metrics"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-4, nan_ok=True)

    assert stage(*calls.relearn("attack-keep", calls.out / "keep", lora={})) == 0
    assert len(points(calls.out / "attack-keep.json")) == 2

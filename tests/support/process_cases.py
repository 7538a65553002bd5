"""Every case of test_processes.py under several processes, forked from one that has torch loaded.

    python tests/support/process_cases.py FOLDER '{"2": ["NPO+KL", "resumed"], "4": ["NPO+KL"]}'

A start of one process costs seconds, so that one start runs the named cases under each number of
processes. Writes what each case ends with to FOLDER/2 and FOLDER/4: cases.json (losses, steps,
metrics, golden values) and weights.safetensors.
"""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file

sys.path.append(str(Path(__file__).resolve().parent))

from folders import GOLDEN
from golden_files import cases as golden_cases
from processes import fork_processes
from toy import ARCHITECTURE, WORDS, toy
from trajectories import golden_world, trajectory
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.session import make_accelerator
from unlearning.training.sharding import full_state_model
from unlearning.training.sources import LearnSource, UnlearnSource
from unlearning.training.state import TrainingState

SHARDINGS = ("replicate", "shard")
# what else a run may bring: a second model, some parameters only, no tied embeddings, …
SPECIAL = {
    # a decay that would show in every norm weight, were it not left out of it
    "learn, clipped": {"method": None, "clip_norm": 0.5, "weight_decay": 10.0},
    "NPO+KL": {"method": "NPO+KL"},
    "RMU+ACT": {"method": "RMU+ACT", "hyper": {"layer": 1}},
    # passes without gradients between two steps, of which all processes see a share
    "PDU+RT": {
        "method": "PDU+RT",
        "hyper": {"dual_update_upon": "epoch", "dual_warmup_epochs": 1, "dual_step_size": 50.0},
    },
    "untied": {"tied": False},
    "recomputed": {"recomputed": True},
    "bfloat16": {"precision": "bfloat16"},
}
MICRO_BATCHES = {f"micro-batch {size}": {"micro_batch": size} for size in (1, 3, 16)}
RESUMED = "resumed"  # stopped and gone on with, otherwise as micro-batch 3
CASES = (*MICRO_BATCHES, *SPECIAL, RESUMED)
GOLDEN_CASES = {case["official_name"]: case for case in golden_cases("trajectory/expected.json")}
SHAPE = {**ARCHITECTURE, "layers": 3, "width": 32, "feed_forward": 48}
ROWS = [
    {"question": "who wrote this book?", "answer": " ".join(WORDS[k % 5 : 6 + k % 9])}
    for k in range(16)
]
RECIPE = {"epochs": 4, "batch_size": 16, "lr": 1e-3, "warmup_epochs": 1, "schedule": "linear"}
RECIPE |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64}


def run(
    sharding: str,
    micro_batch: int = 3,
    method: str | None = "NPO+RT",
    tied: bool = True,
    precision: str = "float32",
    hyper: dict | None = None,
    recomputed: bool = False,
    state: Path | None = None,
    stop: int | None = None,
    **recipe,
):
    """(model, accelerator, history, steps taken here) of four steps of sixteen pairs.

    stop: the step after which the run is killed.
    """
    AcceleratorState._reset_state()
    accelerator = make_accelerator({"precision": precision})
    _, tokenizer = toy()
    model = build_model(SHAPE, len(tokenizer), 0)
    if not tied:
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    teacher = copy.deepcopy(model)
    recipe = Recipe(**{**RECIPE, **recipe})
    fit = Fit(micro_batch, recomputed)
    rows = Encoder(tokenizer, PROMPTS["plain"], 64).encode_rows(ROWS)
    plan = StepPlan.of(recipe, len(rows))
    if method is None:
        objective, source = LEARN, LearnSource(plan, 0, rows, rows[:3], 2)
    else:
        objective = build_objective(resolve(method, hyper or {}).settings())
        scored = [row.with_reference(10.0 + k) for k, row in enumerate(rows)]
        make = {role: lambda row, _=0: scored[row] for role in objective.roles}
        source = UnlearnSource(plan, 0, "fresh", {"retain": len(rows)}, make)

    steps = []

    def at_step(step):
        steps.append(step)
        if step == stop:
            raise InterruptedError

    history = train(
        *(model, source, objective, plan, recipe, fit, accelerator),
        teacher=teacher if objective.needs.teacher else None,
        at_step=at_step,
        state=TrainingState(state, 0, {}, accelerator) if state else None,
        sharded=sharding == "shard",
    )
    return model, accelerator, history, steps


def metrics(model, accelerator: Accelerator) -> dict[str, float]:
    """A TOFU evaluation of the model; rows are shared out over the processes."""
    _, tokenizer = toy()
    wrong = {"perturbed_answer": ["carl wrote it", "ben wrote this book"]}
    rows = [{**row, **wrong, "paraphrased_answer": "it ann wrote"} for row in ROWS]
    sets = {"forget": rows[:7], "retain": rows[7:], "real_authors": rows[:3]}
    sets["world_facts"] = rows[3:6]
    encoder = Encoder(tokenizer, PROMPTS["plain"], 64)
    evaluator = Evaluator(sets, encoder, accelerator, batch_tokens=64, limit=Limit(6, "new"))
    return summarise(evaluator(full_state_model(model, accelerator)))


def started(folder: Path, names: dict[int, Sequence[str]]) -> dict[int, tuple[dict, dict]]:
    """What read() returns after the cases named for a number of processes have run on so many."""
    command = [sys.executable, __file__, str(folder), json.dumps(names)]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, **output, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:]
    return {processes: read(folder / str(processes)) for processes in names}


def read(folder: Path) -> tuple[dict, dict]:
    """(what the cases end with, their weights), as run_cases() wrote them."""
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    return cases, load_file(folder / "weights.safetensors")


def difference(ours: tuple, case: str, theirs: tuple, other: str) -> tuple[float, float]:
    """Largest difference of weights, relative to each tensor's largest weight, and of metrics,
    between two cases of what run_cases() wrote: (cases, weights) each."""
    pairs = [
        (w, theirs[1][f"{other}/{k[len(case) + 1 :]}"])
        for k, w in ours[1].items()
        if k.startswith(f"{case}/")
    ]
    assert pairs
    weights = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    metrics, expected = ours[0][case]["metrics"], theirs[0][other]["metrics"]
    assert metrics.keys() == expected.keys()
    return weights, max(abs(metrics[key] - expected[key]) for key in expected)


def run_cases(
    folder: Path,
    names: Sequence[str],
    shardings: tuple[str, ...] = SHARDINGS,
) -> None:
    """Run the named cases in each sharding; the main process writes what they end with."""
    records, weights = {}, {}

    def end(name: str, sharding: str, **options) -> None:
        model, accelerator, history, steps = run(sharding, **options)
        records[f"{name}, {sharding}"] = {
            "losses": history.losses,
            "steps": steps,
            "metrics": metrics(model, accelerator),
        }
        model = full_state_model(model, accelerator, main_only=True)
        if model is not None:
            tied = len(list(model.parameters())) < len(model.state_dict())
            assert tied == options.get("tied", True)
            for key, parameter in model.named_parameters():
                weights[f"{name}, {sharding}/{key}"] = parameter.detach().clone()

    plain = {**MICRO_BATCHES, **SPECIAL}
    for sharding in shardings:
        for name in (name for name in plain if name in names):
            end(name, sharding, **plain[name])
        if RESUMED in names:
            state = folder / f"state-{sharding}"
            with suppress(InterruptedError):
                run(sharding, state=state, stop=3)
            end(RESUMED, sharding, state=state)
    AcceleratorState._reset_state()
    accelerator = make_accelerator({"precision": "float32"})
    records["processes"] = accelerator.num_processes
    official = GOLDEN_CASES.keys() & set(names)
    world = golden_world(GOLDEN) if official else None
    for sharding in shardings:
        for name in sorted(official):
            values = trajectory(world, GOLDEN_CASES[name], 3, accelerator, sharding == "shard")
            records[f"{name}, {sharding}"] = values
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "cases.json").write_text(json.dumps(records), encoding="utf-8")
        save_file(weights, folder / "weights.safetensors")


if __name__ == "__main__":
    path, cases_of_counts = Path(sys.argv[1]), json.loads(sys.argv[2])
    path.mkdir(parents=True, exist_ok=True)
    for count, cases in cases_of_counts.items():
        fork_processes(int(count), path / f"{count}.store", run_cases, path / count, cases)

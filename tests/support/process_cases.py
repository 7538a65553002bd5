"""Every case of test_processes.py under however many processes it is started with.

    torchrun --standalone --nproc_per_node 2 tests/support/process_cases.py FOLDER

A start of one process costs seconds, so that one start runs all cases. Writes what each case ends
with to FOLDER: cases.json (losses, metrics, golden values) and weights.safetensors.
"""

import copy
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file

sys.path.append(str(Path(__file__).resolve().parent))

from folders import GOLDEN
from golden_files import cases
from toy import ARCHITECTURE, WORDS, toy
from trajectories import golden_world, trajectory
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.evaluation.summary import summarise
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.stages.common import make_accelerator
from unlearning.training.learning import LEARN
from unlearning.training.loop import train
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sharding import whole
from unlearning.training.sources import LearnSource, UnlearnSource
from unlearning.training.state import TrainingState

SHARDINGS = ("replicate", "shard")
MICRO_BATCHES = (1, 3, 16)
# what else a run may bring: a second model, some parameters only, no tied embeddings, …
SPECIAL = {
    "learn, clipped": {"method": None, "clip_norm": 0.5},
    "NPO+KL": {"method": "NPO+KL"},
    "RMU+ACT": {"method": "RMU+ACT", "layer": 1},
    "untied": {"tied": False},
    "recomputed": {"recomputed": True},
    "bfloat16": {"precision": "bfloat16"},
}
SHAPE = {**ARCHITECTURE, "layers": 3, "width": 32, "feed_forward": 48}
ROWS = [
    {"question": "who wrote this book?", "answer": " ".join(WORDS[k % 5 : 6 + k % 9])}
    for k in range(16)
]
RECIPE = {"epochs": 6, "batch_size": 16, "lr": 1e-3, "warmup_epochs": 1, "schedule": "linear"}
RECIPE |= {"weight_decay": 0.01, "clip_norm": None, "max_length": 64}


def run(
    sharding: str,
    micro_batch: int = 3,
    method: str | None = "NPO+RT",
    tied: bool = True,
    precision: str = "float32",
    layer: int | None = None,
    recomputed: bool = False,
    state: Path | None = None,
    stop: int | None = None,
    **recipe,
):
    """(model, accelerator, history) of six steps of sixteen pairs; stop: killed after that step."""
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
        settings = resolve(method, {} if layer is None else {"layer": layer}).settings()
        objective = build_objective(settings)
        scored = [row.with_reference(10.0 + k) for k, row in enumerate(rows)]
        make = {role: lambda row, _=0: scored[row] for role in objective.roles}
        source = UnlearnSource(plan, 0, "fresh", {"retain": len(rows)}, make)

    def at_step(done):
        if done == stop:
            raise InterruptedError

    history = train(
        *(model, source, objective, plan, recipe, fit, accelerator),
        teacher=teacher if objective.needs.teacher else None,
        at_step=at_step,
        state=TrainingState(state, 0, {}, accelerator) if state else None,
        sharded=sharding == "shard",
    )
    return model, accelerator, history


def metrics(model, accelerator: Accelerator) -> dict[str, float]:
    """A TOFU evaluation of the model; rows are shared out over the processes."""
    _, tokenizer = toy()
    wrong = {"perturbed_answer": ["carl wrote it", "ben wrote this book"]}
    rows = [{**row, **wrong, "paraphrased_answer": "it ann wrote"} for row in ROWS]
    sets = {"forget": rows[:7], "retain": rows[7:], "real_authors": rows[:3]}
    sets["world_facts"] = rows[3:6]
    encoder = Encoder(tokenizer, PROMPTS["plain"], 64)
    evaluator = Evaluator(sets, encoder, accelerator, batch_tokens=64, limit=Limit(6, "new"))
    return summarise(evaluator(whole(model, accelerator)))


def resumed(sharding: str, folder: Path) -> bool:
    """Whether a run that is stopped and goes on ends bit for bit as if undisturbed."""
    with suppress(InterruptedError):
        run(sharding, state=folder, stop=4)
    ours, accelerator, history = run(sharding, state=folder)
    theirs, _, undisturbed = run(sharding)
    models = [whole(model, accelerator, main_only=True) for model in (ours, theirs)]
    if accelerator.is_main_process:
        assert history.losses == undisturbed.losses
        pairs = zip(*(model.parameters() for model in models), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    return True


def started(processes: int, folder: Path) -> tuple[dict, dict]:
    """What read() finds after all cases have run on so many processes, in one start."""
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, "-m", *launch, __file__, str(folder)]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, **output, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:]
    return read(folder)


def read(folder: Path) -> tuple[dict, dict]:
    """(what the cases end with, their weights), as all_cases() wrote them."""
    found = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    return found, load_file(folder / "weights.safetensors")


def difference(ours: tuple, case: str, theirs: tuple, other: str) -> tuple[float, float]:
    """Largest difference of weights, relative to each tensor's largest weight, and of metrics,
    between two cases of what all_cases() wrote: (cases, weights) each."""
    pairs = [
        (w, theirs[1][f"{other}/{k[len(case) + 1 :]}"])
        for k, w in ours[1].items()
        if k.startswith(f"{case}/")
    ]
    assert pairs
    weights = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    found, expected = ours[0][case]["metrics"], theirs[0][other]["metrics"]
    assert found.keys() == expected.keys()
    return weights, max(abs(found[key] - expected[key]) for key in expected)


def all_cases(
    folder: Path, shardings: tuple[str, ...] = SHARDINGS, golden: bool = GOLDEN.is_dir()
) -> None:
    """Run every case; the main process writes what they end with."""
    found, weights = {}, {}

    def end(name: str, sharding: str, **options) -> None:
        model, accelerator, history = run(sharding, **options)
        found[f"{name}, {sharding}"] = {
            "losses": history.losses,
            "metrics": metrics(model, accelerator),
        }
        model = whole(model, accelerator, main_only=True)
        if model is not None:
            tied = len(list(model.parameters())) < len(model.state_dict())
            assert tied == options.get("tied", True)
            for key, parameter in model.named_parameters():
                weights[f"{name}, {sharding}/{key}"] = parameter.detach().clone()

    for sharding in shardings:
        for micro_batch in MICRO_BATCHES:
            end(f"micro-batch {micro_batch}", sharding, micro_batch=micro_batch)
        for name, options in SPECIAL.items():
            end(name, sharding, **options)
        found[f"resumed, {sharding}"] = resumed(sharding, folder / f"state-{sharding}")
    AcceleratorState._reset_state()
    accelerator = make_accelerator({"precision": "float32"})
    found["processes"] = accelerator.num_processes
    if golden:
        world = golden_world(GOLDEN)
        for sharding in shardings:
            for case in cases("trajectory/expected.json"):
                name = f"golden {case['official_name']}, {sharding}"
                found[name] = trajectory(world, case, 3, accelerator, sharding == "shard")
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "cases.json").write_text(json.dumps(found), encoding="utf-8")
        save_file(weights, folder / "weights.safetensors")


if __name__ == "__main__":
    all_cases(Path(sys.argv[1]))

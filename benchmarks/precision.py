"""What the precision of unlearning does to its result, on the mini world, as a Markdown table.

    snakemake --cores 2 results/mini/finetune/seed=42/model \\
        results/mini/forget10/reference/forget.json \\
        results/mini/forget10/retrain/seed=1/evaluate/rows.json
    python benchmarks/precision.py --results results

The target and the retrained model are trained in float32 by the first command; the second unlearns
and evaluates with the settings of config/config.yaml, at its learning rate and at a tenth of it.
"""

import argparse
import statistics
import sys
import tempfile
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

import torch
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from unlearning.benchmarks.tofu.forget_quality import forget_quality
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.layout import path_id
from unlearning.evaluation.records import read_metrics, read_rows
from unlearning.stages import evaluate, unlearn
from unlearning.training.plan import Fit

ROOT = Path(__file__).resolve().parents[1]
SPLIT, RETAIN = "forget10", "retain90"
RUNS = {"NPO+RT": {"beta": 0.1}, "SimNPO+RT": {"beta": 2.5, "forget_coeff": 1.0}}
PRECISIONS = ("float32", "bfloat16", "pure-bfloat16")
HEAD = "| lr | method | precision | forget quality | model utility | distance | unmoved |"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder, as float32."""
    return {key: value.float() for key, value in load_file(folder / "model.safetensors").items()}


def distance(ours: dict, theirs: dict) -> float:
    """2-norm of the difference of all weights."""
    return float(torch.stack([(ours[key] - theirs[key]).norm() for key in theirs]).norm())


def unmoved(ours: dict, start: dict, precision: str) -> float:
    """Share of the weights that are as they were at the start, in the precision they are saved."""
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    same = sum(int((ours[key].to(kind) == start[key].to(kind)).sum()) for key in start)
    return same / sum(tensor.numel() for tensor in start.values())


def run(
    experiment: Experiment, method: str, seed: int, precision: str, lr: float, folder: Path
) -> tuple[float, float, dict]:
    """Unlearn and evaluate as the rules do; forget quality, model utility, weights."""
    layout = experiment.layout
    settings = experiment.method_settings(method, path_id(RUNS[method]))
    settings = {**settings, "precision": precision, "trajectory": []}
    settings["recipe"] = {**settings["recipe"], "lr": lr}
    fit = Fit(**experiment.fit("unlearn"))
    data, target = layout.root / "data", str(layout.target(42))
    told = {"data": data, "split": SPLIT, "fit": fit, "state": None, "sharding": "replicate"}
    AcceleratorState._reset_state()
    unlearn.run(
        Namespace(
            **told,
            **{"stage": "unlearn", "model": target, "retain": RETAIN, "seed": seed},
            reference=layout.reference(SPLIT, None),
            out=folder / "model",
            trajectory=folder / "trajectory.json",
            settings=settings,
        )
    )
    settings = {**experiment.evaluate_settings(), "precision": precision}
    settings["evaluation"] = {**settings["evaluation"], "membership": []}
    AcceleratorState._reset_state()
    evaluate.run(
        Namespace(
            **{**told, "model": str(folder / "model"), "target": None, "holdout": None},
            out=folder / "evaluate",
            settings=settings,
        )
    )
    retrained = read_rows(layout.evaluation(SPLIT, "retrain/seed=1"))["forget"]
    quality = forget_quality(read_rows(folder / "evaluate")["forget"], retrained)["forget_quality"]
    utility = read_metrics(folder / "evaluate")["model_utility"]
    return quality, utility, weights(folder / "model")


def compared(experiment: Experiment, method: str, lr: float) -> dict[str, list[tuple]]:
    """Precision -> for each seed: forget quality, model utility, distance from the float32 run as a
    share of that run's way from the target, and the share of weights that did not move."""
    start = weights(Path(experiment.layout.target(42)))
    found: dict[str, list[tuple]] = {precision: [] for precision in PRECISIONS}
    for seed in experiment.config["unlearn"]["seeds"]:
        ended = {}
        for precision in PRECISIONS:
            with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
                *metrics, ended[precision] = run(
                    experiment, method, seed, precision, lr, Path(folder)
                )
            ours, exact = ended[precision], ended["float32"]
            far = distance(ours, exact) / distance(exact, start)
            found[precision].append((*metrics, far, unmoved(ours, start, precision)))
    return found


def spread(values: list[float], form: str = ".3f") -> str:
    """Median and range over the seeds."""
    middle = format(statistics.median(values), form)
    return f"{middle} ({min(values):{form}}–{max(values):{form}})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", default="results", help="folder that holds mini")
    parser.add_argument("--lrs", type=float, nargs="+", default=[1e-3, 1e-4])
    args = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    experiment = load_experiment({**config, "results": args.results}, ROOT)
    print(HEAD + "\n|---|---|---|---|---|---|---|", flush=True)
    for lr in args.lrs:
        for method in RUNS:
            for precision, values in compared(experiment, method, lr).items():
                qualities, *rest = zip(*values, strict=True)
                cells = [spread(qualities, ".2e"), *(spread(column) for column in rest)]
                print("| " + " | ".join([f"{lr:g}", method, precision, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()

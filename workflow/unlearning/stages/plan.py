"""Say what an experiment will cost before it runs: jobs, peak memory, GPU-hours, disk."""

import json
from argparse import ArgumentParser, Namespace

from unlearning.config.experiment import Experiment
from unlearning.config.reading import add_config_arguments, read_experiment, typed_values
from unlearning.errors import UserError
from unlearning.planning.advice import advice, peak
from unlearning.planning.gpus import ASSUMPTIONS, GPUS, Gpu, hours
from unlearning.planning.memory import GIB
from unlearning.planning.stages import CostEstimate, StageCost


def add_arguments(parser: ArgumentParser) -> None:
    """A config and a GPU."""
    add_config_arguments(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--gpu", choices=GPUS, default="H100-80", help="GPU (default: %(default)s)")
    chosen.add_argument("--gpu-memory-gb", type=float, help="memory of another GPU, in GiB")
    parser.add_argument("--json", action="store_true", help="JSON, not a table for people")


def run(args: Namespace) -> None:
    """Print the plan."""
    name, gpu = args.gpu, GPUS[args.gpu]
    if args.gpu_memory_gb is not None:
        if not args.gpu_memory_gb > 1:
            raise UserError(
                f"--gpu-memory-gb must be greater than 1, found {args.gpu_memory_gb:g}: a GPU's "
                "context alone takes 1 GiB"
            )
        name, gpu = f"{args.gpu_memory_gb:g} GiB", Gpu(args.gpu_memory_gb * GIB)
    found = plan(language_model_experiment(args), name, gpu)
    print(json.dumps(found, indent=1) if args.json else table(found))


def language_model_experiment(args: Namespace) -> Experiment:
    """The experiment that the arguments describe; UserError if it needs no plan."""
    experiment = read_experiment(args.configfile, typed_values(args.config))
    if not experiment.on_language_model:
        raise UserError(
            f"'{args.configfile[0]}' is a synthetic experiment, which needs one CPU core and less "
            "than 2 GB for each job and nothing from the hub; `make dry-run` shows the jobs"
        )
    return experiment


def plan(experiment: Experiment, name: str, gpu: Gpu) -> dict:
    """The plan for one GPU, JSON-ready; gpu_hours is null where it cannot be said."""
    made = CostEstimate(experiment, gpu.room)
    stages = [_stage(made, stage, gpu) for stage in made.stages()]
    took = [stage["gpu_hours"] for stage in stages if stage["gpu_hours"] is not None]
    return {
        "experiment": experiment.config["experiment"],
        "draws": len(experiment.draws),
        "gpu": name,
        "memory_gib": round(gpu.memory / GIB, 1),
        "room_gib": round(gpu.room / GIB, 1),
        "parameters": made.shape.parameters,
        "jobs": made.jobs(),
        "stages": stages,
        "gpu_hours": round(sum(took), 2) if took else None,
        **_disk(made.stages(), experiment.config["keep_models"]),
        "assumptions": list(ASSUMPTIONS),
        "warnings": warnings(stages),
    }


def _disk(stages: list[StageCost], kept: bool) -> dict:
    """Model folders with unlearned models kept, and with each removed once it was used, when one
    of a running job is there at a time; what a running job resumes from; which of the two holds."""
    everything = sum(stage.disk for stage in stages)
    unlearned = [stage for stage in stages if stage.rule == "unlearn"]
    one = max((stage.disk / stage.jobs for stage in unlearned), default=0.0)
    base = everything - sum(stage.disk for stage in unlearned)
    return {
        "disk_gib": round(everything / GIB, 2),
        "disk_gib_without_unlearned": round((base + one) / GIB, 2),
        "state_gib": round(max(stage.state for stage in stages) / GIB, 2),
        "keep_models": kept,
    }


def _stage(made: CostEstimate, stage: StageCost, gpu: Gpu) -> dict:
    parts = {key: round(size / GIB, 3) for key, size in peak(made.shape, stage).items()}
    took = hours(gpu, made.shape, stage, made.half)
    return {
        "stage": stage.name,
        "rule": stage.rule,
        "jobs": stage.jobs,
        "peak_gib": parts.pop("total"),
        "parts_gib": parts,
        "flops": stage.flops,
        "gpu_hours": None if took is None else round(took, 3),
        "disk_gib": round(stage.disk / GIB, 3),
        "host_gib": round(made.host(stage) / GIB, 3),
        "advice": advice(made.shape, stage, gpu.room) + made.host_advice(stage),
    }


def warnings(stages: list[dict]) -> list[str]:
    """A line for each advice, with the stages that it is for."""
    concerned: dict[str, list[str]] = {}
    for stage in stages:
        for line in stage["advice"]:
            concerned.setdefault(line, []).append(stage["stage"])
    return [f"{', '.join(names)} will not fit; {line}" for line, names in concerned.items()]


def table(found: dict) -> str:
    """The plan for people."""
    lines = [
        f"{found['experiment']} on {found['gpu']}: {found['memory_gib']:g} GiB, of which "
        f"{found['room_gib']:g} for tensors; {found['parameters']:,} parameters"
        + (f"; {found['draws']} draws" if found["draws"] > 1 else ""),
        "",
        "Jobs: " + ", ".join(f"{rule} {count}" for rule, count in found["jobs"].items()),
        "",
        f"{'stage':24s} {'jobs':>5s} {'peak GiB':>9s} {'fits':>5s} {'GPU-hours':>10s} "
        f"{'disk GiB':>9s}  largest parts (GiB)",
    ]
    for stage in found["stages"]:
        parts = sorted(stage["parts_gib"].items(), key=lambda part: -part[1])[:4]
        took = "?" if stage["gpu_hours"] is None else f"{stage['gpu_hours']:.2f}"
        lines.append(
            f"{stage['stage']:24s} {stage['jobs']:5d} {stage['peak_gib']:9.2f} "
            f"{'NO' if stage['advice'] else 'yes':>5s} {took:>10s} {stage['disk_gib']:9.2f}  "
            + ", ".join(f"{key} {size:.2f}" for key, size in parts)
        )
    total = "?" if found["gpu_hours"] is None else f"{found['gpu_hours']:.1f}"
    lines += [
        "",
        f"GPU-hours: {total}.",
        f"Disk for models: {found['disk_gib']:.1f} GiB with keep_models: true, else "
        f"{found['disk_gib_without_unlearned']:.1f} GiB with one unlearned model at a time (this "
        f"config: {str(found['keep_models']).lower()}); for a training job's resumable state up to "
        f"{found['state_gib']:.1f} GiB while it runs.",
        f"Host memory of a job: up to {max(s['host_gib'] for s in found['stages']):.1f} GiB for "
        "tensors.",
        *(f"Assumed: {line}." for line in found["assumptions"]),
        *(f"WARNING: {line}" for line in found["warnings"]),
    ]
    return "\n".join(lines)

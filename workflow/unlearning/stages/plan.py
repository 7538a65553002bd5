"""Say what an experiment will cost before it runs: jobs, peak memory, GPU-hours, disk."""

import json
from argparse import ArgumentParser, Namespace

from unlearning.config.entries import typed_values
from unlearning.config.experiment import Experiment
from unlearning.config.reading import add_config_arguments, read_experiment
from unlearning.config.schema import ConfigError
from unlearning.config.steps import step_problems
from unlearning.errors import UserError
from unlearning.planning.advice import advice, peak
from unlearning.planning.gpus import ASSUMPTIONS, GPUS, Gpu, hours
from unlearning.planning.memory import GIB
from unlearning.planning.stages import CostEstimate, StageCost


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `make plan`: a config and a GPU."""
    add_config_arguments(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--gpu", choices=GPUS, default="H100-80", help="GPU (default: %(default)s)")
    group.add_argument("--gpu-memory-gb", type=float, help="memory of another GPU, in GiB")
    parser.add_argument("--json", action="store_true", help="JSON, not a table for people")


def run(args: Namespace) -> None:
    name, gpu = args.gpu, GPUS[args.gpu]
    if args.gpu_memory_gb is not None:
        if not args.gpu_memory_gb > 1:
            raise UserError(
                f"--gpu-memory-gb must be greater than 1, found {args.gpu_memory_gb:g}: a GPU's "
                "context alone takes 1 GiB"
            )
        name, gpu = f"{args.gpu_memory_gb:g} GiB", Gpu(args.gpu_memory_gb * GIB)
    costs = plan(language_model_experiment(args), name, gpu)
    print(json.dumps(costs, indent=1) if args.json else table(costs))


def language_model_experiment(args: Namespace) -> Experiment:
    """The experiment of the arguments; UserError for a study without a language model, which needs
    no plan."""
    experiment = read_experiment(args.configfile, typed_values(args.config))
    if not experiment.on_language_model:
        raise UserError(
            f"'{args.configfile[0]}' is a synthetic experiment, which needs one CPU core and less "
            "than 2 GB for each job and nothing from the hub; `make dry-run` shows the jobs"
        )
    if problems := step_problems(experiment):
        raise ConfigError(problems)
    return experiment


def plan(experiment: Experiment, name: str, gpu: Gpu) -> dict:
    """The plan for one GPU, JSON-ready. name: of the GPU, for the reader.

    gpu_hours is null for a stage whose work or a GPU whose speed is not known.
    """
    estimate = CostEstimate(experiment, gpu.room)
    stages = [_stage(estimate, stage, gpu) for stage in estimate.stages]
    gpu_hours = [stage["gpu_hours"] for stage in stages if stage["gpu_hours"] is not None]
    return {
        "experiment": experiment.config["experiment"],
        "draws": len(experiment.draws),
        "gpu": name,
        "memory_gib": round(gpu.memory / GIB, 1),
        "room_gib": round(gpu.room / GIB, 1),
        "parameters": estimate.shape.parameters,
        "jobs": estimate.jobs(),
        "stages": stages,
        "gpu_hours": round(sum(gpu_hours), 2) if gpu_hours else None,
        **_disk(estimate.stages, experiment.config["keep_models"]),
        "assumptions": list(ASSUMPTIONS),
        "warnings": warnings(stages),
    }


def _disk(stages: list[StageCost], keep_models: bool) -> dict:
    """Disk space of model folders and of a running job's state in GiB, JSON-ready.

    Model folders in two cases: all unlearned models stay (keep_models: true), or each is removed
    after its last use, so that there is one at a time.
    """
    total = sum(stage.disk for stage in stages)
    unlearned = largest_unlearned = 0.0
    for stage in stages:
        if stage.rule == "unlearn":
            unlearned += stage.disk
            # folders of one method are alike in size
            largest_unlearned = max(largest_unlearned, stage.disk / stage.jobs)
    return {
        "disk_gib": round(total / GIB, 2),
        "disk_gib_without_unlearned": round((total - unlearned + largest_unlearned) / GIB, 2),
        "state_gib": round(max(stage.state for stage in stages) / GIB, 2),
        "keep_models": keep_models,
    }


def _stage(estimate: CostEstimate, stage: StageCost, gpu: Gpu) -> dict:
    """The plan of one stage, JSON-ready: memory of a job by part, work of all jobs, advice."""
    parts = {key: round(size / GIB, 3) for key, size in peak(estimate.shape, stage).items()}
    gpu_hours = hours(gpu, estimate.shape, stage, estimate.half)
    return {
        "stage": stage.name,
        "rule": stage.rule,
        "jobs": stage.jobs,
        "peak_gib": parts.pop("total"),
        "parts_gib": parts,
        "flops": stage.flops,
        "gpu_hours": None if gpu_hours is None else round(gpu_hours, 3),
        "disk_gib": round(stage.disk / GIB, 3),
        "host_gib": round(estimate.host(stage) / GIB, 3),
        "advice": advice(estimate.shape, stage, gpu.room) + estimate.host_advice(stage),
    }


def warnings(stages: list[dict]) -> list[str]:
    """One line for each piece of advice, with the stages that it is for."""
    # several stages often need the same option, which is then said once
    stages_of: dict[str, list[str]] = {}
    for stage in stages:
        for line in stage["advice"]:
            stages_of.setdefault(line, []).append(stage["stage"])
    return [f"{', '.join(names)} will not fit; {line}" for line, names in stages_of.items()]


def table(costs: dict) -> str:
    """The plan as text for people: one line for each stage, then sums and warnings."""
    lines = [
        f"{costs['experiment']} on {costs['gpu']}: {costs['memory_gib']:g} GiB, of which "
        f"{costs['room_gib']:g} for tensors; {costs['parameters']:,} parameters"
        + (f"; {costs['draws']} draws" if costs["draws"] > 1 else ""),
        "",
        "Jobs: " + ", ".join(f"{rule} {count}" for rule, count in costs["jobs"].items()),
        "",
        f"{'stage':24s} {'jobs':>5s} {'peak GiB':>9s} {'fits':>5s} {'GPU-hours':>10s} "
        f"{'disk GiB':>9s}  largest parts (GiB)",
    ]
    for stage in costs["stages"]:
        # the four largest parts of the memory, which the options of the advice reduce
        parts = sorted(stage["parts_gib"].items(), key=lambda part: -part[1])[:4]
        gpu_hours = "?" if stage["gpu_hours"] is None else f"{stage['gpu_hours']:.2f}"
        lines.append(
            f"{stage['stage']:24s} {stage['jobs']:5d} {stage['peak_gib']:9.2f} "
            f"{'NO' if stage['advice'] else 'yes':>5s} {gpu_hours:>10s} {stage['disk_gib']:9.2f}  "
            + ", ".join(f"{key} {size:.2f}" for key, size in parts)
        )
    total = "?" if costs["gpu_hours"] is None else f"{costs['gpu_hours']:.1f}"
    host_gib = max(stage["host_gib"] for stage in costs["stages"])
    lines += [
        "",
        f"GPU-hours: {total}.",
        f"Disk for models: {costs['disk_gib']:.1f} GiB with keep_models: true, else "
        f"{costs['disk_gib_without_unlearned']:.1f} GiB with one unlearned model at a time (this "
        f"config: {str(costs['keep_models']).lower()}); for a training job's resumable state up to "
        f"{costs['state_gib']:.1f} GiB while it runs.",
        f"Host memory of a job: up to {host_gib:.1f} GiB for tensors.",
        *(f"Assumed: {line}." for line in costs["assumptions"]),
        *(f"WARNING: {line}" for line in costs["warnings"]),
    ]
    return "\n".join(lines)
